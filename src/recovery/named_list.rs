//! What a table has in an order and by name: its columns, its sequences.
//!
//! A log can change the columns of a table as often as it has records, and the
//! table can be as wide: a list that is gone through, moved or copied at each
//! change would take the product of both. This one finds, changes and removes in
//! a few steps, and copies share what they have in common.

use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};

use crate::model::Column;

/// An item by when it came: of a list without changes, its position. What comes
/// later goes to the end, so that these rise; none is given twice.
pub(super) type ItemId = usize;

/// What stands in such a list.
pub(super) trait HasName: Clone {
    fn name(&self) -> &str;
    fn name_mut(&mut self) -> &mut String;
}

impl HasName for Column {
    fn name(&self) -> &str {
        &self.name
    }

    fn name_mut(&mut self) -> &mut String {
        &mut self.name
    }
}

/// A sequence and its next value.
impl HasName for (String, i64) {
    fn name(&self) -> &str {
        &self.0
    }

    fn name_mut(&mut self) -> &mut String {
        &mut self.0
    }
}

/// A list by order and by name, in which a name can stand twice.
#[derive(Debug, Clone)]
pub(super) struct NamedList<T> {
    items: RedBlackTreeMapSync<ItemId, T>,
    names: RedBlackTreeSetSync<(String, ItemId)>,
    next_id: ItemId,
}

impl<T: HasName> NamedList<T> {
    /// The items in this order.
    pub fn new(items: &[T]) -> Self {
        let mut list = NamedList {
            items: RedBlackTreeMapSync::new_sync(),
            names: RedBlackTreeSetSync::new_sync(),
            next_id: 0,
        };
        items.iter().for_each(|item| list.push(item.clone()));
        list
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.items.size()
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = (ItemId, &T)> {
        self.items.iter().map(|(id, item)| (*id, item))
    }

    /// All, in order, by themselves.
    pub fn to_vec(&self) -> Vec<T> {
        self.items.values().cloned().collect()
    }

    /// Those of a name, in order.
    pub fn named(&self, name: &str) -> impl Iterator<Item = (ItemId, &T)> {
        let of = |id| (name.to_owned(), id);
        let ids = self.names.range(of(0)..=of(ItemId::MAX));
        ids.filter_map(|(_, id)| Some((*id, self.items.get(id)?)))
    }

    /// The first of a name.
    pub fn first(&self, name: &str) -> Option<(ItemId, &T)> {
        self.named(name).next()
    }

    /// An item, to change anything but its name.
    pub fn get_mut(&mut self, id: ItemId) -> Option<&mut T> {
        self.items.get_mut(&id)
    }

    /// Appends an item.
    pub fn push(&mut self, item: T) {
        let id = self.next_id;
        self.names.insert_mut((item.name().to_owned(), id));
        self.items.insert_mut(id, item);
        self.next_id = id.saturating_add(1);
    }

    /// Takes an item out.
    pub fn remove(&mut self, id: ItemId) {
        if let Some(item) = self.items.get(&id) {
            self.names.remove_mut(&(item.name().to_owned(), id));
            self.items.remove_mut(&id);
        }
    }

    /// Gives an item another name.
    pub fn rename(&mut self, id: ItemId, new: &str) {
        if let Some(item) = self.items.get_mut(&id) {
            let old = std::mem::replace(item.name_mut(), new.to_owned());
            self.names.remove_mut(&(old, id));
            self.names.insert_mut((new.to_owned(), id));
        }
    }
}
