//! Users and roles, who owns what, and who may do what.
//!
//! PostgreSQL has one space of names for users and roles, and no membership in
//! a circle.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Code, Finding};
use crate::model::{Catalog, Database, DatabaseGrants, PrivilegeMap, Table, TableGrants, User};
use crate::postgres::plan::{AccessPlan, RolePlan, Script};
use crate::postgres::{NameRules, assign_names};

use super::{ExportOptions, changed_name};

/// The users and roles of a directory under their names in PostgreSQL.
#[derive(Debug)]
pub(super) struct Accounts {
    users: BTreeMap<String, String>,
    roles: BTreeMap<String, String>,
    /// By database.
    databases: BTreeMap<String, DatabaseGrants>,
}

impl Accounts {
    /// Plans users, roles and memberships.
    pub(super) fn plan(catalog: &Catalog, options: ExportOptions, script: &mut Script) -> Self {
        let mut users: Vec<&User> = catalog.users.iter().collect();
        users.sort_by(|a, b| a.name.cmp(&b.name));
        let mut roles: Vec<_> = catalog.roles.iter().collect();
        roles.sort_by(|a, b| a.name.cmp(&b.name));
        let wanted = users.iter().map(|user| user.name.as_str());
        let wanted = wanted.chain(roles.iter().map(|role| role.name.as_str()));
        let mut names = assign_names(wanted, NameRules::Role, &mut BTreeSet::new()).into_iter();
        let databases = catalog.grants.iter();
        let mut accounts = Accounts {
            users: BTreeMap::new(),
            roles: BTreeMap::new(),
            databases: databases.map(|g| (g.database.clone(), g.clone())).collect(),
        };
        for (user, name) in users.iter().zip(&mut names) {
            script.notes.extend(changed_name("user", &user.name, &name));
            script.roles.push(RolePlan {
                name: name.clone(),
                login: true,
                superuser: user.is_superuser,
                create_db: user.can_create_db,
                create_role: user.can_create_user,
                password_hash: options.secrets.then(|| user.password_hash.clone()),
            });
            accounts.users.insert(user.name.clone(), name);
        }
        for (role, name) in roles.iter().zip(&mut names) {
            script.notes.extend(changed_name("role", &role.name, &name));
            script.roles.push(RolePlan {
                name: name.clone(),
                login: false,
                superuser: role.is_superuser,
                create_db: role.can_create_db,
                create_role: role.can_create_role,
                password_hash: None,
            });
            accounts.roles.insert(role.name.clone(), name);
        }
        accounts.memberships(catalog, script);
        accounts
    }

    /// Every membership that any side knows of.
    fn memberships(&self, catalog: &Catalog, script: &mut Script) {
        // Role, member, and the member's name where its side is known.
        let mut wanted: BTreeSet<(&str, &str, Option<&String>)> = BTreeSet::new();
        for user in &catalog.users {
            let own = self.users.get(&user.name);
            wanted.extend(
                user.roles
                    .iter()
                    .map(|role| (role.as_str(), user.name.as_str(), own)),
            );
        }
        for role in &catalog.roles {
            let (name, own) = (role.name.as_str(), self.roles.get(&role.name));
            let members = role.members.iter().map(String::as_str);
            wanted.extend(members.map(|member| (name, member, self.role(member))));
            wanted.extend(role.member_of.iter().map(|of| (of.as_str(), name, own)));
        }
        let mut edges: BTreeMap<&str, BTreeMap<&str, (&str, &str)>> = BTreeMap::new();
        let mut left_out = |role: &str, member: &str, why: &str| {
            let detail = format!("membership in {role:?} of {member:?}: {why}");
            let note = Finding::new(Code::AccessLeftOut).detail(detail);
            script.notes.push(note);
        };
        for (role, member, own) in wanted {
            match (self.roles.get(role), own) {
                (None, _) => left_out(role, member, "no role has the first name"),
                (_, None) => left_out(role, member, "nobody has the second name"),
                (Some(to), Some(own)) => {
                    edges.entry(to).or_default().insert(own, (role, member));
                }
            }
        }
        let circles = closing_circles(&edges);
        for (role, members) in &edges {
            for (member, (source, source_member)) in members {
                match circles.contains(&(*role, *member)) {
                    true => left_out(source, source_member, "it leads in a circle"),
                    false => {
                        let membership = ((*role).to_owned(), (*member).to_owned());
                        script.memberships.push(membership);
                    }
                }
            }
        }
    }

    /// A user, or else a role, by its name in the source.
    fn role(&self, name: &str) -> Option<&String> {
        self.users.get(name).or_else(|| self.roles.get(name))
    }

    /// Who may do what with a database.
    pub(super) fn of_database(&self, database: &str, notes: &mut Vec<Finding>) -> AccessPlan {
        let note = Finding::new(Code::AccessLeftOut).database(database);
        match self.databases.get(database) {
            Some(grants) => self.access(Some(&grants.owner), &grants.privileges, &note, notes),
            None => AccessPlan::default(),
        }
    }

    /// Who may do what with a table, by what is said of it; where a release knows no
    /// owner of tables, that of the database.
    pub(super) fn of_table(
        &self,
        (database, table): (&Database, &Table),
        grants: Option<&TableGrants>,
        notes: &mut Vec<Finding>,
    ) -> AccessPlan {
        let of_database = self.databases.get(&database.name);
        let owner = table
            .owner
            .as_ref()
            .or(grants.map(|grants| &grants.owner))
            .or(of_database.map(|grants| &grants.owner));
        let note = Finding::new(Code::AccessLeftOut)
            .database(&database.name)
            .table(&table.name);
        let privileges = grants.map_or(&[][..], |grants| &grants.privileges);
        self.access(owner.map(String::as_str), privileges, &note, notes)
    }

    fn access(
        &self,
        owner: Option<&str>,
        privileges: &[<PrivilegeMap as IntoIterator>::Item],
        note: &Finding,
        notes: &mut Vec<Finding>,
    ) -> AccessPlan {
        let mut plan = AccessPlan {
            owner: owner.and_then(|owner| self.role(owner)).cloned(),
            grants: Vec::new(),
        };
        if let (Some(owner), None) = (owner, &plan.owner) {
            notes.push(
                note.clone()
                    .detail(format!("owner {owner:?} does not exist")),
            );
        }
        let mut sorted: Vec<_> = privileges.iter().collect();
        sorted.sort();
        for (user, set) in sorted {
            let mut set = set.clone();
            set.sort();
            match self.role(user) {
                Some(role) => plan.grants.push((role.clone(), set)),
                None => {
                    let detail = format!("grants to {user:?}, who does not exist");
                    notes.push(note.clone().detail(detail));
                }
            }
        }
        plan
    }
}

/// Memberships without which none leads in a circle: those that lead back to a role
/// on the way to it. Each membership is looked at once.
fn closing_circles<'e, T>(
    edges: &'e BTreeMap<&'e str, BTreeMap<&'e str, T>>,
) -> BTreeSet<(&'e str, &'e str)> {
    let mut closing = BTreeSet::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut on_way: BTreeSet<&str> = BTreeSet::new();
    let members = |role: &str| edges.get(role).into_iter().flat_map(BTreeMap::keys);
    for start in edges.keys() {
        if !seen.insert(start) {
            continue;
        }
        on_way.insert(start);
        let mut open = vec![(*start, members(start))];
        while let Some((role, rest)) = open.last_mut() {
            match rest.next() {
                None => {
                    on_way.remove(*role);
                    open.pop();
                }
                Some(member) if on_way.contains(member) => {
                    closing.insert((*role, *member));
                }
                Some(member) => {
                    if seen.insert(member) {
                        on_way.insert(member);
                        open.push((member, members(member)));
                    }
                }
            }
        }
    }
    closing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closing(edges: &[(&'static str, &'static str)]) -> Vec<(String, String)> {
        let mut all: BTreeMap<&str, BTreeMap<&str, ()>> = BTreeMap::new();
        for (role, member) in edges {
            all.entry(role).or_default().insert(member, ());
        }
        let closing = closing_circles(&all).into_iter();
        closing
            .map(|(role, member)| (role.to_owned(), member.to_owned()))
            .collect()
    }

    #[test]
    fn one_membership_of_each_circle_is_left_out() {
        let one = |role: &str, member: &str| vec![(role.to_owned(), member.to_owned())];
        assert_eq!(closing(&[("a", "b"), ("b", "c"), ("a", "c")]), []);
        assert_eq!(closing(&[("a", "a")]), one("a", "a"));
        assert_eq!(closing(&[("a", "b"), ("b", "a")]), one("b", "a"));
        assert_eq!(
            closing(&[("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")]),
            one("c", "b")
        );
    }
}
