//! What a damaged directory is: by its control file, or else by what the files
//! of tables say of it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::engine::layouts::{Layout, MAX_PAGES_PER_FILE, Shape};
use crate::engine::log::LOG_DIR;
use crate::engine::pages::file_header::FileHeader;
use crate::engine::pages::paths::{GLOBAL_NAME, METADATA_NAME};
use crate::engine::pages::sealed::{self, KIND_GLOBAL, KIND_METADATA};
use crate::engine::store::catalog_file::{Global, Metadata};
use crate::engine::store::control::{self, Control, ControlFile, Origin};
use crate::engine::store::descriptor::{self, Descriptor};
use crate::error::{Damage, Error, Result};
use crate::file::{Disk, EntryKind};
use crate::finding::Code;
use crate::report::Report;

use super::survey::{database_dirs, descriptors_in, lost, or_damage};

/// The control file, or what is known in its place.
pub(super) struct FoundControl {
    pub control: Control,
    /// Whether its checkpoint is.
    pub is_known: bool,
}

/// Reads the control file, or works out what it said.
///
/// # Errors
/// `UnsupportedVersion`; damage when nothing says whose the files are.
pub(super) fn find_control(
    disk: &dyn Disk,
    dir: &Path,
    report: &mut Report,
) -> Result<FoundControl> {
    let path = control::path(dir);
    let mut wrong = Vec::new();
    let read = ControlFile::read(disk, dir).and_then(|file| {
        wrong = file.damages(&path);
        Ok(file.current().cloned().map_err(Clone::clone)?)
    });
    let stated = StatedClusters::by_catalogs(disk, dir)?;
    let damage = match or_damage(read, &path)? {
        Ok(control) if stated.is_stray(control.origin.cluster_id) => Box::new(Damage {
            file: path.clone(),
            offset: 0,
            code: Code::ForeignFile,
            found: format!("cluster {:032x}", control.origin.cluster_id),
            expected: "the cluster that the catalogs and tables are of".into(),
        }),
        Ok(control) => {
            let what = "it may have said more of the log, of which nothing else would know";
            let lost = wrong
                .iter()
                .map(|damage| lost(Code::RecordsLost, damage, what));
            lost.for_each(|finding| report.add(finding));
            return Ok(FoundControl {
                control,
                is_known: true,
            });
        }
        Err(damage) => damage,
    };
    let StatedClusters { tables, clusters } = stated;
    let clusters = match tables.is_empty() && clusters.is_empty() {
        true => stated_clusters(disk, dir)?,
        false => clusters,
    };
    let most = tables.into_iter().max_by_key(|(_, count)| *count);
    let (cluster_id, shape, family) = match most {
        Some(((cluster_id, layout, pages, family), _)) => {
            let shape = Layout::from_tag(layout).and_then(|layout| Shape::new(layout, pages));
            (cluster_id, shape, family)
        }
        None => {
            let most = clusters.into_iter().max_by_key(|(_, count)| *count);
            let Some((cluster_id, _)) = most else {
                return Err(Error::Damage(damage));
            };
            (cluster_id, guess_shape(disk, dir)?, "2.3".to_owned())
        }
    };
    let Some(shape) = shape else {
        return Err(Error::Damage(damage));
    };
    report.add(lost(
        Code::BytesLost,
        &damage,
        "what it said is known from the files of tables",
    ));
    let origin = Origin { family, cluster_id };
    Ok(FoundControl {
        control: Control::new(shape, &origin),
        is_known: false,
    })
}

/// Whose the catalogs and the descriptors of tables say they are, each with how
/// often: copies of files of another directory may lie about, and most files are
/// right.
struct StatedClusters {
    /// The cluster, layout, pages a file and family of descriptors.
    tables: BTreeMap<(u128, u8, u32, String), u64>,
    /// The cluster of catalogs.
    clusters: BTreeMap<u128, u64>,
}

impl StatedClusters {
    fn by_catalogs(disk: &dyn Disk, dir: &Path) -> Result<Self> {
        let mut stated = StatedClusters {
            tables: BTreeMap::new(),
            clusters: BTreeMap::new(),
        };
        if let Ok((seal, _)) =
            sealed::read_any::<Global<'static>>(disk, &dir.join(GLOBAL_NAME), KIND_GLOBAL)
        {
            *stated.clusters.entry(seal.cluster_id).or_default() += 1;
        }
        for database in database_dirs(disk, dir)? {
            let metadata = database.join(METADATA_NAME);
            if let Ok((seal, _)) =
                sealed::read_any::<Metadata<'static>>(disk, &metadata, KIND_METADATA)
            {
                *stated.clusters.entry(seal.cluster_id).or_default() += 1;
            }
            for path in descriptors_in(disk, &database)? {
                if let Ok(found) = or_damage(descriptor::read_any(disk, &path), &path)? {
                    let Descriptor {
                        layout,
                        pages_per_file,
                        family,
                        ..
                    } = found.document;
                    let key = (
                        found.owner.cluster_id,
                        layout,
                        pages_per_file,
                        family.into_owned(),
                    );
                    *stated.tables.entry(key).or_default() += 1;
                }
            }
        }
        Ok(stated)
    }

    /// Whether all of them are of other clusters.
    fn is_stray(&self, cluster_id: u128) -> bool {
        let of_tables = self.tables.keys().map(|(cluster, ..)| *cluster);
        let mut all = of_tables.chain(self.clusters.keys().copied()).peekable();
        all.peek().is_some() && all.all(|cluster| cluster != cluster_id)
    }
}

/// Whose the files of tables and of the log say they are, each with how often:
/// where nothing else is left.
fn stated_clusters(disk: &dyn Disk, dir: &Path) -> Result<BTreeMap<u128, u64>> {
    let mut clusters = BTreeMap::new();
    let mut dirs = database_dirs(disk, dir)?;
    let log = dir.join(LOG_DIR);
    dirs.extend((disk.kind(&log)? == Some(EntryKind::Dir)).then_some(log));
    while let Some(one) = dirs.pop() {
        for entry in disk.entries(&one)? {
            if entry.is_dir && one.parent() == Some(dir) {
                dirs.push(entry.path);
            } else if let Some(cluster_id) = FileHeader::cluster_of(disk, &entry.path) {
                *clusters.entry(cluster_id).or_default() += 1;
            }
        }
    }
    Ok(clusters)
}

/// The layout by the names of files.
fn guess_shape(disk: &dyn Disk, dir: &Path) -> Result<Option<Shape>> {
    for database in database_dirs(disk, dir)? {
        for entry in disk.entries(&database)? {
            let layout = match entry.name.rsplit_once('.') {
                None if entry.is_dir => Layout::Paged,
                Some((_, "dat")) => Layout::Append,
                Some((_, "db")) if entry.name != METADATA_NAME => Layout::PerTable,
                _ => continue,
            };
            let pages = match layout {
                Layout::Paged => pages_per_file(disk, &entry.path)?,
                _ => 0,
            };
            return Ok(Shape::new(layout, pages));
        }
    }
    Ok(None)
}

/// The second file is named after its first page.
fn pages_per_file(disk: &dyn Disk, table: &Path) -> Result<u32> {
    let entries = disk.entries(table)?;
    let numbers = entries.iter().filter_map(|entry| {
        let digits = entry.name.strip_prefix("page_")?.strip_suffix(".dat")?;
        digits.parse::<u32>().ok()
    });
    Ok(numbers
        .filter(|n| *n > 0)
        .min()
        .unwrap_or(MAX_PAGES_PER_FILE))
}
