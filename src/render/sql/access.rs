//! Roles, owners and grants.

use crate::model::Privilege;
use crate::postgres::plan::{AccessPlan, DatabasePlan, RolePlan, Script, TablePlan};
use crate::postgres::{quote_ident, quote_literal};

use super::{push_comment, push_line, push_notes};

/// Appends users, roles and memberships. A role that is there stays as it is.
pub fn push_roles(out: &mut Vec<u8>, script: &Script) {
    push_notes(out, &script.notes);
    if !script.roles.is_empty() {
        push_comment(
            out,
            "Users and roles; one that exists already stays as it is. They have no passwords: what RustDB keeps is\n\
             the SHA-256 of a password, which PostgreSQL cannot check. Give new ones with ALTER ROLE ... PASSWORD.",
        );
    }
    for role in &script.roles {
        push_role(out, role);
    }
    for (role, member) in &script.memberships {
        let (role, member) = (quote_ident(role), quote_ident(member));
        push_line(out, &format!("GRANT {role} TO {member};"));
    }
    out.push(b'\n');
}

fn push_role(out: &mut Vec<u8>, role: &RolePlan) {
    if let Some(hash) = &role.password_hash {
        push_comment(
            out,
            &format!("SHA-256 of the password of {:?}: {hash}", role.name),
        );
    }
    let option = |set, word: &'static str| if set { word } else { "" };
    let create = format!(
        "CREATE ROLE {}{}{}{}{}",
        quote_ident(&role.name),
        if role.login { " LOGIN" } else { " NOLOGIN" },
        option(role.superuser, " SUPERUSER"),
        option(role.create_db, " CREATEDB"),
        option(role.create_role, " CREATEROLE"),
    );
    let (create, name) = (quote_literal(&create), quote_literal(&role.name));
    push_line(
        out,
        &format!(
            "SELECT {create} WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {name}) \\gexec"
        ),
    );
}

/// Appends the owner and the grants of a database; those on rows hold for all
/// of its tables, which must be there.
pub fn push_database_access(out: &mut Vec<u8>, database: &DatabasePlan) {
    let Some(access) = &database.access else {
        return;
    };
    let name = quote_ident(&database.name);
    // By default everybody may connect.
    push_line(out, &format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC;"));
    if let Some(owner) = &access.owner {
        let owner = quote_ident(owner);
        push_line(out, &format!("ALTER DATABASE {name} OWNER TO {owner};"));
    }
    for (role, set) in &access.grants {
        let role = quote_ident(role);
        let wants = |one| set.contains(&one) || set.contains(&Privilege::All);
        if wants(Privilege::Connect) {
            push_line(out, &format!("GRANT CONNECT ON DATABASE {name} TO {role};"));
        }
        if wants(Privilege::Create) {
            push_line(out, &format!("GRANT CREATE ON DATABASE {name} TO {role};"));
            push_line(out, &format!("GRANT CREATE ON SCHEMA public TO {role};"));
        }
        let rows = on_rows(set);
        if !rows.is_empty() {
            push_line(
                out,
                &format!("GRANT {rows} ON ALL TABLES IN SCHEMA public TO {role};"),
            );
        }
        if wants(Privilege::Insert) {
            push_line(
                out,
                &format!("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role};"),
            );
        }
    }
}

/// Appends the owner and the grants of a table.
pub fn push_table_access(out: &mut Vec<u8>, table: &TablePlan) {
    let Some(AccessPlan { owner, grants }) = &table.access else {
        return;
    };
    let name = quote_ident(&table.name);
    if let Some(owner) = owner {
        let owner = quote_ident(owner);
        push_line(out, &format!("ALTER TABLE public.{name} OWNER TO {owner};"));
    }
    for (role, set) in grants {
        let (role, rows) = (quote_ident(role), on_rows(set));
        if !rows.is_empty() {
            push_line(out, &format!("GRANT {rows} ON public.{name} TO {role};"));
        }
        if !set.contains(&Privilege::Insert) && !set.contains(&Privilege::All) {
            continue;
        }
        for sequence in table.columns.iter().filter_map(|c| c.sequence.as_ref()) {
            let sequence = quote_ident(&sequence.name);
            push_line(
                out,
                &format!("GRANT USAGE ON SEQUENCE public.{sequence} TO {role};"),
            );
        }
    }
}

/// The privileges on rows, in the words of GRANT.
fn on_rows(set: &[Privilege]) -> String {
    let all = [
        Privilege::Select,
        Privilege::Insert,
        Privilege::Update,
        Privilege::Delete,
    ];
    let wanted = all
        .into_iter()
        .filter(|one| set.contains(one) || set.contains(&Privilege::All));
    wanted.map(Privilege::as_str).collect::<Vec<_>>().join(", ")
}
