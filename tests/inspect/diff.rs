//! `diff` and `hash`.

use serde_json::{Value as Json, json};

use crate::support::content::{customer, populated};
use crate::support::disk::on_disk;
use crate::support::model::Family;
use crate::support::run::{data, inspect, migrate, text};

fn diff(a: &str, b: &str) -> Json {
    inspect(["diff", a, b, "--format=json"]).json()
}

#[test]
fn an_upgraded_directory_differs_in_nothing_and_has_the_same_hashes() {
    let scratch = tempfile::tempdir().unwrap();
    let source = data("snapshot_only");
    for layout in ["per-table", "snapshot"] {
        let target = text(&scratch.path().join(layout));
        migrate(["upgrade", &source, &target, "--to", layout]).exits(0);
        for extra in [&[][..], &["--include-dead"]] {
            let args = ["diff", &source, &target];
            let run = inspect(args.into_iter().chain(extra.iter().copied())).exits(0);
            assert_eq!(run.stdout, "equal content\n");
        }
        assert_eq!(diff(&source, &target)["equal"], true);
        let hash = |dir: &str| inspect(["hash", dir]).exits(0).stdout;
        assert_eq!(hash(&source), hash(&target));
        let json = |dir: &str| inspect(["hash", dir, "--format=json"]).json()["tables"].clone();
        assert_eq!(json(&source), json(&target));
    }
}

#[test]
fn differences_are_counted_and_shown_by_example() {
    let mut one = populated(Family::V1_4);
    let before = on_disk(&one.killed());
    let rows = (20..25).map(|id| customer(id, "New\x1b[31m")).collect();
    one.insert("shop", "customers", rows);
    one.delete("shop", "customers", &[0]);
    one.checkpoint();
    let mut user = one.instance.users[0].1.clone();
    user.password_hash = "f".repeat(64);
    one.instance.users[0].1 = user;
    one.database("lab").enums[0].1.push("angry".into());
    one.database("shop")
        .tables
        .retain(|(name, _)| name != "orders");
    one.checkpoint();
    let after = on_disk(&one.killed());
    let (a, b) = (text(before.path()), text(after.path()));
    let run = inspect(["diff", &a, &b]).exits(1);
    for line in [
        "shop: table orders: only in A",
        "shop.customers: 1 row only in A, 5 only in B",
        "shop.customers: sequence id: A has 8, B has 25",
        "the password hashes differ",
        "New\\u{1b}[31m",
    ] {
        assert!(run.stdout.contains(line), "{line}: {}", run.stdout);
    }
    assert!(!run.stdout.contains('\x1b') && !run.stdout.contains("ffffffff"));
    let found = diff(&a, &b);
    assert_eq!(found["equal"], false);
    let tables = found["tables"].as_array().unwrap();
    let customers = tables.iter().find(|t| t["table"] == "customers").unwrap();
    assert_eq!(
        (&customers["only_in_a"], &customers["only_in_b"]),
        (&json!(1), &json!(5))
    );
    assert_eq!(customers["examples_b"].as_array().unwrap().len(), 3);
    let orders = tables.iter().find(|t| t["table"] == "orders").unwrap();
    assert_eq!(
        (&orders["only_in_a"], &orders["only_in_b"]),
        (&json!(2), &json!(0))
    );
    let redacted = inspect(["diff", &a, &b, "--redact", "--examples=9"]).exits(1);
    assert!(!redacted.stdout.contains("New") && redacted.stdout.contains("<redacted len:8>"));
}

#[test]
fn the_other_way_round_is_the_mirror() {
    let mut server = populated(Family::V1_4);
    let before = on_disk(&server.killed());
    server.insert(
        "shop",
        "customers",
        vec![customer(9, "Di"), customer(9, "Di")],
    );
    let after = on_disk(&server.killed());
    let (a, b) = (text(before.path()), text(after.path()));
    let (there, back) = (diff(&a, &b), diff(&b, &a));
    assert_eq!(there["tables"][0]["only_in_b"], 2);
    assert_eq!(
        there["tables"][0]["only_in_b"],
        back["tables"][0]["only_in_a"]
    );
    assert_eq!(
        there["tables"][0]["examples_b"],
        back["tables"][0]["examples_a"]
    );
    assert_eq!(diff(&a, &a)["equal"], true);
}

#[test]
fn dead_versions_are_compared_on_request() {
    let mut server = populated(Family::V1_4);
    let before = on_disk(&server.killed());
    server.insert("shop", "customers", vec![customer(9, "Di")]);
    let at = server.table("shop", "customers").rows.len() as u64 - 1;
    server.delete("shop", "customers", &[at]);
    server.checkpoint();
    server.table("shop", "customers").sequences[0].1 = 8;
    server.checkpoint();
    let after = on_disk(&server.killed());
    let (a, b) = (text(before.path()), text(after.path()));
    inspect(["diff", &a, &b]).exits(0);
    let run = inspect(["diff", &a, &b, "--include-dead"]).exits(1);
    assert!(
        run.stdout.contains("0 rows only in A, 1 only in B"),
        "{}",
        run.stdout
    );
    let hash = |dir: &str, extra: &[&str]| {
        inspect(["hash", dir].into_iter().chain(extra.iter().copied())).stdout
    };
    let first = |text: String| text.lines().next().unwrap().to_owned();
    assert_eq!(first(hash(&a, &[])), first(hash(&b, &[])));
    assert_ne!(
        first(hash(&a, &["--versions"])),
        first(hash(&b, &["--versions"]))
    );
}

#[test]
fn what_cannot_be_read_ends_with_its_own_code() {
    let good = data("clean_marker");
    inspect(["diff", &good, &data("truncated_snapshot")]).exits(1);
    inspect(["diff", &good, "/no/such/directory"]).exits(2);
    inspect(["hash", &data("truncated_snapshot")]).exits(1);
    // Nothing differs, and yet not everything is known.
    inspect(["diff", &data("twins"), &data("twins")]).exits(3);
}
