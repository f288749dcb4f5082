//! Which file of the library takes which names from which other.
//!
//! A name is followed to the file that defines it, over every `use` on the way.
//! A module that hands on names of files below it is transparent: `super::Name`
//! is an import of the file that defines `Name`, and the module imports none of
//! what it hands on. Names of files elsewhere that a module hands on count as
//! its own, and as its imports. A module that uses what is below it imports
//! that like any other file.
//!
//! Tests are not looked at. A method is not seen: the methods of a type may
//! stand in several files.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};

/// Path of a module, without the crate.
type Module = Vec<String>;

/// By importing file and file that defines them, paths below `src/`: names.
pub type Imports = BTreeMap<(String, String), BTreeSet<String>>;

/// Most `use` that one name is followed over.
const MAX_STEPS: usize = 16;

/// What one file says of names.
struct File {
    path: String,
    /// What `use` makes of a name.
    uses: BTreeMap<String, Vec<String>>,
    /// Every path of the code, a `use` that hands on left out.
    taken: BTreeSet<Vec<String>>,
    /// Paths that a `pub use` hands on.
    handed_on: BTreeSet<Vec<String>>,
}

/// The imports among files, given as path below `src/` and text.
pub fn imports(files: &[(String, String)]) -> Imports {
    let files = files.iter().filter(|(path, _)| !is_test(path));
    let house = House(files.map(|(path, text)| read(path, text)).collect());
    let mut imports = Imports::new();
    for (module, file) in &house.0 {
        let mut take = |path: &Vec<String>, below_too: bool| {
            let Some((from, name)) = house.find(module, path, MAX_STEPS) else {
                return;
            };
            if from != *module && (below_too || !from.starts_with(module)) {
                let key = (file.path.clone(), house.0[&from].path.clone());
                imports.entry(key).or_default().insert(name);
            }
        };
        file.taken.iter().for_each(|path| take(path, true));
        file.handed_on.iter().for_each(|path| take(path, false));
    }
    imports
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.starts_with("bin/")
}

struct House(BTreeMap<Module, File>);

impl House {
    /// The module that defines what `path` names in `module`, and its name
    /// there; `None` outside of the library, for what the module defines
    /// itself, and for a module as such.
    fn find(&self, module: &Module, path: &[String], steps: usize) -> Option<(Module, String)> {
        let (first, mut rest) = path.split_first()?;
        let mut at = module.clone();
        match first.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => {
                at.pop();
            }
            _ => rest = path,
        }
        while let Some((name, behind)) = rest.split_first() {
            rest = behind;
            if name == "super" {
                at.pop();
                continue;
            }
            at.push(name.clone());
            if self.0.contains_key(&at) {
                continue;
            }
            at.pop();
            let Some(used) = self.0.get(&at)?.uses.get(name) else {
                // A first name that the module does not have is of a library.
                let known = at != *module || path.len() > rest.len() + 1;
                return known.then(|| (at, name.clone()));
            };
            if used.first() == Some(name) {
                return None;
            }
            let found = self.find(&at, &[used, rest].concat(), steps.checked_sub(1)?)?;
            let handed_on = self.0.get(&at)?.handed_on.contains(used);
            let own = handed_on && at != *module && !found.0.starts_with(&at);
            return Some(if own { (at, name.clone()) } else { found });
        }
        None
    }
}

fn read(path: &str, text: &str) -> (Module, File) {
    let stem = path.strip_suffix(".rs").unwrap();
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    let parts = stem.split('/').map(str::to_owned);
    let module = parts.filter(|part| part != "lib").collect();
    let mut reader = Reader {
        depth: 0,
        file: File {
            path: path.to_owned(),
            uses: BTreeMap::new(),
            taken: BTreeSet::new(),
            handed_on: BTreeSet::new(),
        },
    };
    let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("src/{path}: {error}"));
    reader.visit_file(&syntax);
    (module, reader.file)
}

struct Reader {
    /// Modules inside of the file that the code is in.
    depth: usize,
    file: File,
}

impl Reader {
    /// A path as the module of the file sees it.
    fn outside(&self, path: Vec<String>) -> Vec<String> {
        let up = path.iter().take_while(|name| *name == "super").count();
        let inside = up.min(self.depth);
        path[inside..].to_vec()
    }

    fn take_use(&mut self, tree: &syn::UseTree, mut path: Vec<String>, hands_on: bool) {
        let (name, end) = match tree {
            syn::UseTree::Path(step) => {
                path.push(step.ident.to_string());
                return self.take_use(&step.tree, path, hands_on);
            }
            syn::UseTree::Group(group) => {
                let each = group.items.iter();
                return each.for_each(|tree| self.take_use(tree, path.clone(), hands_on));
            }
            syn::UseTree::Name(name) => (name.ident.to_string(), name.ident.to_string()),
            syn::UseTree::Rename(name) => (name.rename.to_string(), name.ident.to_string()),
            syn::UseTree::Glob(_) => ("*".into(), "*".into()),
        };
        let name = match end.as_str() {
            "self" => path.last().cloned().filter(|_| name == "self"),
            _ => None,
        }
        .unwrap_or(name);
        if end != "self" {
            path.push(end);
        }
        let path = self.outside(path);
        if self.depth == 0 {
            self.file.uses.insert(name, path.clone());
        }
        match hands_on {
            true => self.file.handed_on.insert(path),
            false => self.file.taken.insert(path),
        };
    }

    fn take_path(&mut self, path: Vec<String>) {
        if path.len() > 1 {
            let path = self.outside(path);
            self.file.taken.insert(path);
        }
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let list = attribute.meta.require_list();
        list.is_ok_and(|list| list.path.is_ident("cfg") && list.tokens.to_string() == "test")
    })
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Const(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.depth += 1;
        visit::visit_item_mod(self, module);
        self.depth -= 1;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let hands_on = !matches!(item.vis, syn::Visibility::Inherited);
        self.take_use(&item.tree, Vec::new(), hands_on);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path.segments.iter().map(|part| part.ident.to_string());
        self.take_path(names.collect());
        visit::visit_path(self, path);
    }

    /// What is between the brackets of a macro has no syntax of its own: names
    /// with `::` between them are taken for paths.
    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        let text = called.tokens.to_string();
        let text = text.replace(" :: ", "::");
        for word in text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':') {
            if word.contains("::") && !word.contains(":::") {
                self.take_path(word.split("::").map(str::to_owned).collect());
            }
        }
        visit::visit_macro(self, called);
    }
}

/// The files of each circle: those of which each imports, directly or not, each
/// other one.
pub fn circles(imports: &Imports) -> BTreeSet<BTreeSet<&str>> {
    let mut direct: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (by, from) in imports.keys() {
        direct.entry(by).or_default().insert(from);
    }
    let reach = |start| {
        let mut reached = BTreeSet::new();
        let mut open = vec![start];
        while let Some(file) = open.pop() {
            let next = direct.get(file).into_iter().flatten();
            open.extend(next.filter(|next| reached.insert(**next)));
        }
        reached
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        direct.keys().map(|file| (*file, reach(file))).collect();
    let each = reached.iter().filter(|(file, all)| all.contains(**file));
    each.map(|(file, all)| {
        let back = |other: &&&str| reached.get(**other).is_some_and(|all| all.contains(file));
        all.iter().filter(back).copied().collect()
    })
    .collect()
}
