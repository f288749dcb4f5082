//! Users, roles, owners, grants and sequences of a script, as the server sees them.

use crate::postgres::Postgres;
use crate::support::content::{fresh, int, key, loaded, metadata, table};
use crate::support::disk::on_disk;
use crate::support::model::{DataType, Family, Privilege, Role, Since, User};
use crate::support::run::{data, inspect, text};
use crate::support::server::Server;

fn user(name: &str, roles: &[&str]) -> (String, User) {
    let user = User {
        username: name.into(),
        password_hash: "ab".repeat(32),
        is_superuser: false,
        can_create_db: true,
        can_create_user: false,
        roles: Since(roles.iter().map(|role| role.to_string()).collect()),
    };
    (name.into(), user)
}

fn role(name: &str, members: &[&str], member_of: &[&str]) -> (String, Role) {
    let strings = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
    let role = Role {
        name: name.into(),
        is_superuser: false,
        can_create_db: false,
        can_create_role: true,
        members: strings(members),
        member_of: strings(member_of),
    };
    (name.into(), role)
}

/// Users and roles with names that PostgreSQL has other plans for, circles of
/// memberships, and grants to nobody.
fn accounts() -> Server {
    let mut server = fresh(Family::V2_3);
    let instance = &mut server.instance;
    instance.users.push(user("amy", &["clerks", "gone"]));
    instance.users.push(user("pg_reader", &[]));
    instance.users.push(user("clerks", &[]));
    instance.users.push(user(&"long".repeat(20), &[]));
    instance.roles.0.push(role("clerks", &["amy"], &["staff"]));
    instance
        .roles
        .0
        .push(role("staff", &[], &["clerks", "staff"]));
    instance.roles.0.push(role("public", &[], &[]));
    server.create_database("shop");
    let grants: &[(&str, &[Privilege])] = &[
        ("amy", &[Privilege::Connect, Privilege::Select]),
        ("nobody", &[Privilege::All]),
    ];
    let shop = metadata("shop", grants);
    server.instance.database_metadata.push(shop);
    server.create_table("shop", table("orders", vec![key("id", DataType::Serial)]));
    server.insert("shop", "orders", vec![vec![int(1)], vec![int(41)]]);
    let grants: &[(&str, &[Privilege])] = &[("pg_reader", &[Privilege::Insert])];
    let orders = metadata("orders", grants);
    server.database("shop").table_metadata.0.push(orders);
    server
}

#[test]
fn roles_grants_and_sequences_are_as_they_were() {
    let files = on_disk(&loaded(Family::V2_3, accounts()).killed());
    let run = inspect(["dump", &text(files.path())]).exits(0);
    for left_out in [
        "membership in \"gone\" of \"amy\": no role has the first name",
        "membership in \"staff\" of \"clerks\": it leads in a circle",
        "membership in \"staff\" of \"staff\": it leads in a circle",
        "grants to \"nobody\", who does not exist",
    ] {
        assert!(
            run.stdout
                .contains(&format!("-- access-left-out: {left_out}")),
            "{left_out}"
        );
    }
    let Some(server) = Postgres::start() else {
        return;
    };
    // One of them is there already, and stays as it is.
    server.load("CREATE ROLE amy NOLOGIN;");
    server.load(&run.stdout);
    let ask = |query: &str| server.value("shop", query);
    let memberships = "SELECT string_agg(r.rolname || '<' || m.rolname, ' ' ORDER BY 1) \
        FROM pg_auth_members JOIN pg_roles r ON r.oid = roleid \
        JOIN pg_roles m ON m.oid = member WHERE r.rolname !~ '^pg_'";
    let memberships = memberships.replace("ORDER BY 1", "ORDER BY r.rolname, m.rolname");
    // The role `clerks` has another name, because a user has this one.
    let found = ask(&memberships);
    let (of_amy, of_staff) = found.split_once(' ').unwrap();
    assert!(
        of_amy.starts_with("clerks_") && of_amy.ends_with("<amy"),
        "{found}"
    );
    assert!(
        of_staff.starts_with("clerks_") && of_staff.ends_with("<staff"),
        "{found}"
    );
    assert_eq!(
        ask("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'amy'"),
        "f"
    );
    assert_eq!(
        ask("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'clerks'"),
        "t"
    );
    assert_eq!(
        ask("SELECT count(*) FROM pg_roles WHERE rolname LIKE '_pg_reader_%'"),
        "1"
    );
    assert_eq!(
        ask("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'longlong%'"),
        "1"
    );
    let allowed = |who: &str, what: &str| {
        ask(&format!(
            "SELECT has_table_privilege(oid, 'public.orders', '{what}') \
            FROM pg_roles WHERE rolname LIKE '{who}'"
        ))
    };
    assert_eq!(
        (allowed("amy", "SELECT"), allowed("amy", "INSERT")),
        ("t".into(), "f".into())
    );
    let reader = "_pg_reader_%";
    assert_eq!(
        (allowed(reader, "INSERT"), allowed(reader, "SELECT")),
        ("t".into(), "f".into())
    );
    let connect =
        "SELECT has_database_privilege(oid, 'shop', 'CONNECT') FROM pg_roles WHERE rolname = ";
    assert_eq!(ask(&format!("{connect}'amy'")), "t");
    assert_eq!(ask(&format!("{connect}'clerks'")), "f");
    assert_eq!(ask("SELECT nextval('orders_id_seq')"), "42");
    let owned = "SELECT pg_get_serial_sequence('public.orders', 'id')";
    assert_eq!(ask(owned), "public.orders_id_seq");
    server.load("\\connect shop\nINSERT INTO orders DEFAULT VALUES;");
    assert_eq!(ask("SELECT max(id) FROM orders"), "43");
}

#[test]
fn password_hashes_are_comments_and_only_on_request() {
    let hash = "b".repeat(64);
    let directory = data("family_2_3");
    let plain = inspect(["dump", &directory]).exits(0).stdout;
    assert!(!plain.contains(&hash) && !plain.contains(&"a".repeat(64)));
    let secrets = inspect(["dump", &directory, "--with-secrets"])
        .exits(0)
        .stdout;
    let with_hash: Vec<&str> = secrets
        .lines()
        .filter(|line| line.contains(&hash))
        .collect();
    assert_eq!(
        with_hash,
        [format!("-- SHA-256 of the password of \"amy\": {hash}")]
    );
}

#[test]
fn a_script_without_roles_holds_the_rows_and_nobody() {
    let files = on_disk(&loaded(Family::V2_3, accounts()).killed());
    let run = inspect(["dump", "--no-roles", &text(files.path())]).exits(0);
    for word in ["ROLE", "GRANT", "OWNER TO", "REVOKE"] {
        assert!(!run.stdout.contains(word), "{word}");
    }
    let Some(server) = Postgres::start() else {
        return;
    };
    server.load(&run.stdout);
    assert_eq!(server.value("shop", "SELECT count(*) FROM orders"), "2");
}

#[test]
fn databases_are_created_under_the_names_that_are_asked_for() {
    let files = on_disk(&loaded(Family::V2_3, accounts()).killed());
    let directory = text(files.path());
    let renames = ["--rename=shop=Mein \"Shop\"", "--rename=postgres=old"];
    let run = inspect(["dump", &directory, renames[0], renames[1]]).exits(0);
    for refused in [
        "--rename=shop=postgres",
        "--rename=shop=template1",
        "--rename=shopp=x",
        "--rename=shop",
        "--rename=shop=",
    ] {
        let run = inspect(["dump", &directory, refused]).exits(2);
        assert!(run.stdout.is_empty(), "{refused}");
    }
    let both = ["--rename=shop=x", "--rename=postgres=x"];
    let twice = inspect(["dump", &directory, both[0], both[1]]).exits(2);
    assert!(twice.stderr.contains("two databases would be named"));
    let Some(server) = Postgres::start() else {
        return;
    };
    server.load(&run.stdout);
    assert_eq!(
        server.value("Mein \"Shop\"", "SELECT count(*) FROM orders"),
        "2"
    );
    assert_eq!(server.value("old", "SELECT current_database()"), "old");
}

#[test]
fn a_chain_of_thirty_thousand_roles_takes_no_square_of_the_time() {
    const ROLES: usize = 30_000;
    let mut server = fresh(Family::V2_3);
    let name = |at: usize| format!("r{at:05}");
    for at in 0..ROLES {
        // Each is a member of the one before, and the first of the last.
        let of = name((at + ROLES - 1) % ROLES);
        server.instance.roles.0.push(role(&name(at), &[], &[&of]));
    }
    let files = on_disk(&loaded(Family::V2_3, server).killed());
    let run = inspect(["dump", &text(files.path())]).exits(0);
    assert_eq!(run.stdout.matches("\nGRANT \"r").count(), ROLES - 1);
    assert_eq!(run.stdout.matches("it leads in a circle").count(), 1);
}
