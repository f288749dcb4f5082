//! The four schema families, and what each release's files hold.
//!
//! A new family is one variant, one row of [`FIELDS`] and one fixture.

use std::fmt;
use std::str::FromStr;

/// A range of releases whose files have the same fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Family {
    /// 1.3.1 and 1.3.2.
    V1_3,
    /// 1.4.0 to 1.9.0.
    V1_4,
    /// 1.10.0 to 2.2.0.
    V1_10,
    /// 2.3.0 to 2.6.0.
    V2_3,
}

/// Which fields a family has.
struct FamilyFields {
    family: Family,
    name: &'static str,
    /// First and last release, inclusive, as (major, minor).
    releases: ((u32, u32), (u32, u32)),
    unique: bool,
    views: bool,
    roles: bool,
}

const FIELDS: [FamilyFields; 4] = [
    FamilyFields {
        family: Family::V1_3,
        name: "1.3",
        releases: ((1, 3), (1, 3)),
        unique: false,
        views: false,
        roles: false,
    },
    FamilyFields {
        family: Family::V1_4,
        name: "1.4",
        releases: ((1, 4), (1, 9)),
        unique: true,
        views: false,
        roles: false,
    },
    FamilyFields {
        family: Family::V1_10,
        name: "1.10",
        releases: ((1, 10), (2, 2)),
        unique: true,
        views: true,
        roles: false,
    },
    FamilyFields {
        family: Family::V2_3,
        name: "2.3",
        releases: ((2, 3), (2, 6)),
        unique: true,
        views: true,
        roles: true,
    },
];

/// A release that a snapshot can be written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// Its schema family.
    pub family: Family,
    /// Whether a server of it shows the rows of a snapshot: since 2.0 it keeps
    /// rows in page files, which it never reads back.
    pub shows_rows: bool,
}

impl FromStr for Release {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let family = Family::of_release(text)
            .ok_or_else(|| format!("found {text:?}, expected a release from 1.3.1 to 2.6.0"))?;
        let major = text.strip_prefix('v').unwrap_or(text).split('.').next();
        let major = major.and_then(|major| major.parse::<u32>().ok());
        Ok(Release {
            family,
            shows_rows: major.is_some_and(|major| major < 2),
        })
    }
}

impl Family {
    /// Every family, oldest first.
    pub const ALL: [Family; 4] = [Family::V1_3, Family::V1_4, Family::V1_10, Family::V2_3];

    fn fields(self) -> &'static FamilyFields {
        let [first, ..] = &FIELDS;
        FIELDS
            .iter()
            .find(|fields| fields.family == self)
            .unwrap_or(first)
    }

    /// Its releases, as `RustDB 1.4 to 1.9`.
    pub fn releases(self) -> String {
        let ((major, minor), (last_major, last_minor)) = self.fields().releases;
        match (major, minor) == (last_major, last_minor) {
            true => format!("RustDB {major}.{minor}"),
            false => format!("RustDB {major}.{minor} to {last_major}.{last_minor}"),
        }
    }

    /// Columns have `unique`.
    pub fn has_unique(self) -> bool {
        self.fields().unique
    }

    /// Databases have `views`.
    pub fn has_views(self) -> bool {
        self.fields().views
    }

    /// Databases have table grants, tables an owner, users roles, and the
    /// instance has roles.
    pub fn has_roles(self) -> bool {
        self.fields().roles
    }

    /// The family of a release, `X.Y` or `X.Y.Z`.
    pub fn of_release(release: &str) -> Option<Family> {
        let release = release.strip_prefix('v').unwrap_or(release);
        let mut parts = release.split('.').map(u32::from_str);
        let (Some(Ok(major)), Some(Ok(minor))) = (parts.next(), parts.next()) else {
            return None;
        };
        if parts.any(|part| part.is_err()) {
            return None;
        }
        let version = (major, minor);
        let fields = FIELDS
            .iter()
            .find(|fields| fields.releases.0 <= version && version <= fields.releases.1)?;
        Some(fields.family)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.fields().name)
    }
}

impl FromStr for Family {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = FIELDS.iter().find(|fields| fields.name == text);
        found.map(|fields| fields.family).ok_or_else(|| {
            let names: Vec<_> = FIELDS.iter().map(|fields| fields.name).collect();
            format!("expected one of {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_release_has_the_family_of_the_format_page() {
        for (release, family) in [
            ("1.3.1", Family::V1_3),
            ("1.4.0", Family::V1_4),
            ("v1.9.0", Family::V1_4),
            ("1.10.0", Family::V1_10),
            ("2.2.0", Family::V1_10),
            ("2.3", Family::V2_3),
            ("2.6.0", Family::V2_3),
        ] {
            assert_eq!(Family::of_release(release), Some(family), "{release}");
        }
        for release in ["1.2.0", "2.7.0", "3", "x.y", "", "1.4.x"] {
            assert_eq!(Family::of_release(release), None, "{release}");
        }
    }

    #[test]
    fn names_parse_back() {
        for family in Family::ALL {
            assert_eq!(family.to_string().parse(), Ok(family));
        }
    }
}
