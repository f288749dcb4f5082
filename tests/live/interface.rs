//! What a store promises who builds on it, one promise a test.

use std::path::Path;

use rustdb_migrate::engine::{
    Durability, Layout, LiveStore, Store, StoreOptions, TableId, Transaction,
};
use rustdb_migrate::error::Error;
use rustdb_migrate::model::{
    DatabaseGrants, Role, RowSource, Table, TableGrants, User, Value, ValueRef,
};

use crate::model::{of_live, of_view};
use crate::sim_disk::SimDisk;
use crate::workload::{Rows, created, origin, root, schema};

fn options() -> StoreOptions {
    StoreOptions::default()
}

fn row(id: i64) -> [ValueRef<'static>; 2] {
    [ValueRef::Integer(id), ValueRef::Text("some text")]
}

fn insert(store: &mut LiveStore, table: TableId, ids: std::ops::Range<i64>, how: Durability) {
    let mut tx = store.begin().unwrap();
    for id in ids {
        tx.insert(table, &row(id)).unwrap();
    }
    tx.commit(how).unwrap();
}

fn live_count(disk: &SimDisk) -> u64 {
    let store = LiveStore::open_on(&disk.shared(), root(), options()).unwrap();
    store.table("shop", "users").unwrap().live_count()
}

/// The ids of databases, each with those of its tables, as the catalogs state them.
fn ids(disk: &SimDisk) -> Vec<(u32, Vec<u32>)> {
    let document = |path: &Path| -> serde_json::Value {
        let bytes = &disk.files()[path];
        serde_json::from_slice(&bytes[44..bytes.len() - 4]).unwrap()
    };
    let id = |entry: &serde_json::Value| u32::try_from(entry["id"].as_u64().unwrap()).unwrap();
    let global = document(&root().join("global.db"));
    let of_database = |entry: &serde_json::Value| {
        let dir = format!("db_{}", entry["name"].as_str().unwrap());
        let metadata = document(&root().join(dir).join("metadata.db"));
        let tables = metadata["tables"].as_array().unwrap().iter();
        (id(entry), tables.map(id).collect())
    };
    let databases = global["databases"].as_array().unwrap().iter();
    databases.map(of_database).collect()
}

#[test]
fn an_id_is_never_given_out_again() {
    let disk = SimDisk::new(root());
    let (mut store, _) = created(&disk, Layout::PerTable);
    let change = |store: &mut LiveStore, change: &dyn Fn(&mut Transaction<'_>)| {
        let mut tx = store.begin().unwrap();
        change(&mut tx);
        tx.commit(Durability::Sync).unwrap();
        ids(&disk)
    };
    let create = |tx: &mut Transaction<'_>| {
        tx.create_table("shop", schema("more", true)).unwrap();
    };
    let drop_it = |tx: &mut Transaction<'_>| tx.drop_table("shop", "more").unwrap();
    assert_eq!(change(&mut store, &create), [(0, vec![0, 1])]);
    change(&mut store, &drop_it);
    assert_eq!(change(&mut store, &create), [(0, vec![0, 2])]);
    // Also when the directory is closed and compacted in between.
    change(&mut store, &drop_it);
    store.close().unwrap();
    let mut store = LiveStore::open_on(&disk.shared(), root(), options()).unwrap();
    store.compact().unwrap();
    assert_eq!(change(&mut store, &create), [(0, vec![0, 3])]);
    // Also of one that lived within one transaction.
    let replaced = change(&mut store, &|tx| {
        drop_it(tx);
        create(tx);
        drop_it(tx);
        create(tx);
    });
    assert_eq!(replaced, [(0, vec![0, 5])]);
    let altered = change(&mut store, &|tx| {
        let same = schema("more", true);
        tx.alter_table("shop", "more", same, |values| values)
            .unwrap();
    });
    assert_eq!(altered, [(0, vec![0, 6])]);
    change(&mut store, &|tx| tx.drop_database("shop").unwrap());
    drop(store);
    let mut store = LiveStore::open_on(&disk.shared(), root(), options()).unwrap();
    let created = change(&mut store, &|tx| {
        tx.create_database("shop").unwrap();
        create(tx);
    });
    assert_eq!(created, [(1, vec![0])]);
}

#[test]
fn many_threads_read_one_store() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<LiveStore>();
    for layout in Layout::ALL {
        let disk = SimDisk::new(root());
        let (mut store, table) = created(&disk, layout);
        insert(&mut store, table, 0..500, Durability::Group);
        let store = &store;
        std::thread::scope(|scope| {
            for thread in 0..8 {
                scope.spawn(move || {
                    let users = store.table_of(table).unwrap();
                    for id in (thread..500).step_by(7) {
                        assert!(users.find(&ValueRef::Integer(id)).unwrap().is_some());
                    }
                    assert_eq!(users.scan().unwrap().count(), 500);
                });
            }
        });
    }
}

#[test]
fn what_is_dropped_is_synced_and_what_is_forgotten_is_lost_whole() {
    for layout in Layout::ALL {
        let disk = SimDisk::new(root());
        let (mut store, table) = created(&disk, layout);
        insert(&mut store, table, 0..3, Durability::Group);
        drop(store);
        let after = disk.fork();
        let mut random = crate::random::Random(7);
        after.crash(&mut random);
        assert_eq!(live_count(&after), 3, "{layout}");
        let mut store = LiveStore::open_on(&disk.shared(), root(), options()).unwrap();
        let table = store.table("shop", "users").unwrap().id();
        insert(&mut store, table, 10..13, Durability::Group);
        std::mem::forget(store);
        disk.crash(&mut random);
        assert_eq!(live_count(&disk), 3, "{layout}");
    }
}

#[test]
fn a_transaction_that_is_leaked_is_rolled_back() {
    for layout in Layout::ALL {
        let disk = SimDisk::new(root());
        let (mut store, table) = created(&disk, layout);
        insert(&mut store, table, 0..3, Durability::Sync);
        let mut tx = store.begin().unwrap();
        tx.insert(table, &row(9)).unwrap();
        tx.drop_table("shop", "users").unwrap();
        std::mem::forget(tx);
        assert!(matches!(store.view(), Err(Error::StoreFailed { .. })));
        store.checkpoint().unwrap();
        assert_eq!(store.table("shop", "users").unwrap().live_count(), 3);
        store.close().unwrap();
        assert_eq!(live_count(&disk), 3);
    }
}

#[test]
fn an_error_says_what_kind_it_is() {
    let disk = SimDisk::new(root());
    let (mut store, table) = created(&disk, Layout::Append);
    let missing = store.table("none", "users").map(|_| ());
    assert!(matches!(missing, Err(Error::DatabaseMissing { .. })));
    let missing = store.table("shop", "none").map(|_| ());
    assert!(matches!(missing, Err(Error::TableMissing { .. })));
    let mut tx = store.begin().unwrap();
    let taken = tx.create_database("shop");
    assert!(matches!(taken, Err(Error::NameTaken { .. })));
    let sequence = tx.next_value(table, "none");
    assert!(matches!(sequence, Err(Error::ColumnMissing { .. })));
    tx.set_next_value(table, "id", i64::MAX).unwrap();
    let ended = tx.next_value(table, "id");
    assert!(matches!(ended, Err(Error::SequenceEnded { .. })));
    let keyless = tx.create_table("shop", schema("log", false)).unwrap();
    let found = tx.table_of(keyless).unwrap().find(&ValueRef::Integer(1));
    assert!(matches!(found, Err(Error::NoKey { .. })));
    let twice = vec![
        ("a".to_owned(), String::new()),
        ("a".to_owned(), String::new()),
    ];
    let views = tx.set_views("shop", twice);
    assert!(matches!(views, Err(Error::NameTaken { .. })));
    // None of them is the end of the transaction.
    tx.insert(keyless, &row(1)).unwrap();
    tx.commit(Durability::Sync).unwrap();
    assert_eq!(store.table("shop", "log").unwrap().live_count(), 1);
}

#[test]
fn a_transaction_has_a_limit_and_goes_on_at_it() {
    for layout in Layout::ALL {
        let disk = SimDisk::new(root());
        let (store, _) = created(&disk, layout);
        store.close().unwrap();
        let mut small = options();
        small.transaction_limit = 200_000;
        let mut store = LiveStore::open_on(&disk.shared(), root(), small).unwrap();
        let table = store.table("shop", "users").unwrap().id();
        let mut tx = store.begin().unwrap();
        let mut count = 0;
        let refused = loop {
            match tx.insert(table, &row(count)) {
                Ok(_) => count += 1,
                Err(error) => break error,
            }
        };
        assert!(
            matches!(refused, Error::TransactionTooLarge { .. }),
            "{refused}"
        );
        assert!(count > 50, "{count}");
        tx.commit(Durability::Sync).unwrap();
        drop(store);
        assert_eq!(live_count(&disk), count.cast_unsigned());
    }
}

#[test]
fn a_new_table_takes_more_rows_than_a_transaction_has_memory_for() {
    for layout in Layout::ALL {
        let disk = SimDisk::new(root());
        let (store, _) = created(&disk, layout);
        store.close().unwrap();
        let mut small = options();
        small.transaction_limit = 300_000;
        small.pending_limit = 100_000;
        let mut store = LiveStore::open_on(&disk.shared(), root(), small).unwrap();
        let mut tx = store.begin().unwrap();
        let table = tx.create_table("shop", schema("large", true)).unwrap();
        let names: Vec<_> = (0..9_000)
            .map(|id| tx.insert(table, &row(id)).unwrap())
            .collect();
        tx.commit(Durability::Sync).unwrap();
        let large = store.table_of(table).unwrap();
        assert_eq!(large.live_count(), 9_000);
        // Names stay good over the commit.
        for (id, name) in (0..).zip(names).step_by(800) {
            assert_eq!(large.row(name).unwrap().values[0], Value::Integer(id));
        }
    }
}

#[test]
fn the_catalog_can_be_read_and_changed_whole() {
    let disk = SimDisk::new(root());
    let (mut store, table) = created(&disk, Layout::PerTable);
    let user = User {
        name: "ada".into(),
        password_hash: String::new(),
        is_superuser: false,
        can_create_db: true,
        can_create_user: false,
        roles: vec![],
    };
    let role = Role {
        name: "staff".into(),
        is_superuser: false,
        can_create_db: false,
        can_create_role: false,
        members: vec!["ada".into()],
        member_of: vec![],
    };
    let grants = DatabaseGrants {
        database: "shop".into(),
        owner: "ada".into(),
        privileges: vec![],
    };
    let table_grants = TableGrants::owned_by("users", "ada");
    let enums = vec![("mood".to_owned(), vec!["good".to_owned()])];
    let views = vec![("v".to_owned(), "SELECT 1".to_owned())];
    let mut tx = store.begin().unwrap();
    tx.set_number(41);
    tx.set_users(vec![user.clone()]).unwrap();
    tx.set_roles(vec![role.clone()]).unwrap();
    tx.set_database_grants(vec![grants.clone()]).unwrap();
    tx.set_enums("shop", enums.clone()).unwrap();
    tx.set_views("shop", views.clone()).unwrap();
    tx.set_table_grants("shop", vec![table_grants.clone()])
        .unwrap();
    tx.set_next_value(table, "id", 77).unwrap();
    tx.commit(Durability::Sync).unwrap();
    store.close().unwrap();
    let mut store = LiveStore::open_on(&disk.shared(), root(), options()).unwrap();
    let view = store.view().unwrap();
    assert_eq!(view.users(), [user]);
    assert_eq!(view.roles(), [role]);
    assert_eq!(view.database_grants(), [grants]);
    let shop = view.database("shop").unwrap();
    assert_eq!((shop.enums(), shop.views()), (&enums[..], &views[..]));
    assert_eq!(shop.table_grants(), [table_grants]);
    let users = view.table("shop", "users").unwrap();
    assert_eq!(users.schema().sequence("id"), Some(77));
    assert_eq!(view.last_transaction(), 41);
    assert_eq!(store.begin().unwrap().number(), 42);
}

#[test]
fn the_last_transaction_is_known_from_the_log_and_from_the_files() {
    for checkpoint in [false, true] {
        let disk = SimDisk::new(root());
        let (mut store, table) = created(&disk, Layout::Paged);
        let mut tx = store.begin().unwrap();
        tx.set_number(900);
        tx.insert(table, &row(1)).unwrap();
        tx.set_number(3);
        tx.insert(table, &row(2)).unwrap();
        tx.commit(Durability::Sync).unwrap();
        if checkpoint {
            store.checkpoint().unwrap();
        }
        assert_eq!(store.view().unwrap().last_transaction(), 900);
        drop(store);
        let store = LiveStore::open_on(&disk.shared(), root(), options()).unwrap();
        assert_eq!(store.view().unwrap().last_transaction(), 900);
    }
}

#[test]
fn rows_of_another_directory_are_loaded_as_they_are() {
    for layout in Layout::ALL {
        let disk = SimDisk::new(root());
        let (mut store, table) = created(&disk, Layout::Append);
        insert(&mut store, table, 0..2_000, Durability::Group);
        let mut tx = store.begin().unwrap();
        let (name, _) = tx
            .table_of(table)
            .unwrap()
            .find(&ValueRef::Integer(9))
            .unwrap()
            .unwrap();
        tx.delete(name).unwrap();
        tx.commit(Durability::Sync).unwrap();
        let expected = of_live(&store);
        drop(store);
        let source = Store::open_on(&disk.shared(), root()).unwrap();
        let target = SimDisk::new(root());
        let (mut store, table) = created(&target, layout);
        let mut tx = store.begin().unwrap();
        let mut rows = source.open_rows(0, 0).unwrap();
        assert_eq!(tx.load(table, &mut *rows).unwrap(), 2_000);
        tx.commit(Durability::Group).unwrap();
        assert!(of_live(&store) == expected, "{layout}");
        drop(store);
        let view = Store::open_on(&target.shared(), root()).unwrap();
        assert!(of_view(&view) == expected, "{layout}");
    }
}

#[test]
fn what_is_refused_of_a_load_leaves_the_table_alone() {
    let disk = SimDisk::new(root());
    let (mut store, table) = created(&disk, Layout::Paged);
    insert(&mut store, table, 0..3, Durability::Sync);
    let with = |id: i64| vec![Value::Integer(id), Value::Null];
    let mut tx = store.begin().unwrap();
    for rows in [vec![with(8), with(2)], vec![with(9), with(9)]] {
        let refused = tx.load(table, &mut Rows::new(&rows, 1));
        assert!(
            matches!(refused, Err(Error::KeyTaken { .. })),
            "{refused:?}"
        );
    }
    let refused = tx.load(table, &mut Rows::new(&[vec![Value::Integer(8)]], 1));
    assert!(
        matches!(refused, Err(Error::WrongArity { .. })),
        "{refused:?}"
    );
    // NULL equals nothing.
    let nulls = vec![vec![Value::Null, Value::Null]; 2];
    assert_eq!(tx.load(table, &mut Rows::new(&nulls, 1)).unwrap(), 2);
    tx.commit(Durability::Sync).unwrap();
    assert_eq!(store.table("shop", "users").unwrap().live_count(), 5);
}

/// Somebody else's files, in every folder and in the place of every name.
#[test]
fn foreign_files_make_no_directory_unopenable() {
    for layout in Layout::ALL {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("data");
        std::fs::create_dir(&dir).unwrap();
        let mut store = LiveStore::create(&dir, layout.into(), &origin(), options()).unwrap();
        let mut tx = store.begin().unwrap();
        tx.create_database("shop").unwrap();
        let table = tx.create_table("shop", schema("users", true)).unwrap();
        tx.insert(table, &row(1)).unwrap();
        tx.commit(Durability::Sync).unwrap();
        let put = |path: &str| {
            let path = dir.join(path);
            if path.parent().unwrap().is_dir() {
                std::fs::write(path, "mine").unwrap();
            }
        };
        put("notes.txt");
        put("wal/notes.txt");
        put("db_shop/notes.txt");
        put("db_shop/users/notes.txt");
        store.compact().unwrap();
        // A file where a directory would have to be.
        put("db_taken");
        let mut tx = store.begin().unwrap();
        tx.create_database("taken").unwrap();
        let refused = tx.commit(Durability::Sync);
        assert!(
            matches!(refused, Err(Error::NameTaken { .. })),
            "{refused:?}"
        );
        let mut tx = store.begin().unwrap();
        tx.drop_database("shop").unwrap();
        tx.create_database("shop").unwrap();
        let table = tx.create_table("shop", schema("users", true)).unwrap();
        tx.insert(table, &row(2)).unwrap();
        tx.commit(Durability::Sync).unwrap();
        let mut tx = store.begin().unwrap();
        tx.drop_database("shop").unwrap();
        tx.commit(Durability::Sync).unwrap();
        drop(store);
        assert!(
            Path::new(&dir).join("db_shop/notes.txt").exists(),
            "{layout}"
        );
        let store = LiveStore::open(&dir, options()).unwrap();
        assert_eq!(store.view().unwrap().databases().count(), 0);
    }
}

#[test]
fn a_table_that_is_renamed_and_another_of_its_name_are_two() {
    for layout in Layout::ALL {
        let disk = SimDisk::new(root());
        let (mut store, table) = created(&disk, layout);
        insert(&mut store, table, 0..5, Durability::Sync);
        let mut tx = store.begin().unwrap();
        let renamed = Table {
            name: "old".into(),
            ..schema("users", true)
        };
        let old = tx
            .alter_table("shop", "users", renamed, |values| values)
            .unwrap();
        let new = tx.create_table("shop", schema("users", true)).unwrap();
        tx.insert(new, &row(77)).unwrap();
        tx.insert(old, &row(78)).unwrap();
        let gone = tx.insert(table, &row(79));
        assert!(matches!(gone, Err(Error::TableMissing { .. })), "{gone:?}");
        tx.commit(Durability::Sync).unwrap();
        let expected = of_live(&store);
        drop(store);
        let store = LiveStore::open_on(&disk.shared(), root(), options()).unwrap();
        assert!(of_live(&store) == expected, "{layout}");
        let counts = ["old", "users"].map(|name| store.table("shop", name).unwrap().live_count());
        assert_eq!(counts, [6, 1]);
    }
}
