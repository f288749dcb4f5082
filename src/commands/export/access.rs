//! Users and roles, who owns what, and who may do what.
//!
//! PostgreSQL has one space of names for users and roles, and no membership in
//! a circle.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Code, Finding};
use crate::model::{Catalog, Database, DatabaseGrants, PrivilegeMap, Table, User};
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
    /// By database and table, the place of what is granted.
    tables: BTreeMap<String, BTreeMap<String, usize>>,
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
            tables: granted_tables(catalog),
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
        let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (role, _, own) in &wanted {
            if let (Some(role), Some(member)) = (self.roles.get(*role), own) {
                edges.entry(role).or_default().insert(member);
            }
        }
        let closing = closing_circles(&edges);
        let mut memberships = BTreeSet::new();
        for (role, member, own) in &wanted {
            let why = match (self.roles.get(*role), own) {
                (None, _) => "no role has the first name",
                (_, None) => "nobody has the second name",
                (Some(role), Some(member))
                    if closing.contains(&(role.as_str(), member.as_str())) =>
                {
                    "it leads in a circle"
                }
                (Some(role), Some(member)) => {
                    memberships.insert((role.clone(), (*member).clone()));
                    continue;
                }
            };
            let detail = format!("membership in {role:?} of {member:?}: {why}");
            script
                .notes
                .push(Finding::new(Code::AccessLeftOut).detail(detail));
        }
        script.memberships.extend(memberships);
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

    /// Who may do what with a table; where a release knows no owner of tables,
    /// that of the database.
    pub(super) fn of_table(
        &self,
        database: &Database,
        table: &Table,
        notes: &mut Vec<Finding>,
    ) -> AccessPlan {
        let places = self.tables.get(&database.name);
        let place = places.and_then(|places| places.get(&table.name));
        let grants = place.and_then(|place| database.table_grants.get(*place));
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

/// Of two grants of one table the first counts.
fn granted_tables(catalog: &Catalog) -> BTreeMap<String, BTreeMap<String, usize>> {
    let databases = catalog.databases.iter().rev().map(|database| {
        let grants = database.table_grants.iter().enumerate().rev();
        let places = grants.map(|(place, grants)| (grants.table.clone(), place));
        (database.name.clone(), places.collect())
    });
    databases.collect()
}

/// Memberships without which there is no circle: those that lead back to a role
/// on the way to them. Each is looked at once.
fn closing_circles<'r>(
    members: &BTreeMap<&'r str, BTreeSet<&'r str>>,
) -> BTreeSet<(&'r str, &'r str)> {
    let none = BTreeSet::new();
    let mut closing = BTreeSet::new();
    // Of those that were met, whether all below them was.
    let mut met: BTreeMap<&str, bool> = BTreeMap::new();
    for start in members.keys() {
        let mut way = vec![(*start, members.get(start).unwrap_or(&none).iter())];
        if met.contains_key(start) {
            continue;
        }
        met.insert(*start, false);
        while let Some((role, below)) = way.last_mut() {
            let role = *role;
            let Some(member) = below.next() else {
                met.insert(role, true);
                way.pop();
                continue;
            };
            match met.get(member) {
                Some(true) => {}
                Some(false) => {
                    closing.insert((role, *member));
                }
                None => {
                    met.insert(*member, false);
                    way.push((member, members.get(member).unwrap_or(&none).iter()));
                }
            }
        }
    }
    closing
}
