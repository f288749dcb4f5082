use super::*;

fn entries() -> Vec<Entry> {
    let inserted = Inserted {
        id: RowId(300),
        row: b"row".to_vec(),
    };
    let ended = EndedVersion {
        id: RowId(1 << 40),
        xmax: 9,
        moved: Some(RowId(5)),
    };
    let path = std::path::PathBuf::from("db_a/t/page_0000.dat");
    let changes = [
        Change::Write {
            path: path.clone(),
            offset: 8192,
            bytes: vec![1, 2, 3],
        },
        Change::SetLen {
            path: path.clone(),
            len: 5,
        },
        Change::Rename {
            from: path.clone(),
            to: "db_a/t".into(),
        },
        Change::Remove { path: path.clone() },
        Change::CreateDir { path: path.clone() },
        Change::RemoveDir { path },
    ];
    let plain = [
        Entry::Insert(inserted.clone()),
        Entry::End(EndedVersion {
            moved: None,
            ..ended
        }),
        Entry::Update(ended, inserted),
        Entry::Sequence {
            column: "id".into(),
            next: -4,
        },
        Entry::Commit { changes: 7 },
    ];
    let owner = |table| Owner { database: 7, table };
    let group = (0..).map(owner).zip(plain[..4].iter().cloned());
    let group = Entry::Group(group.collect());
    let changes = changes.into_iter().map(Entry::Change);
    plain.into_iter().chain(changes).chain([group]).collect()
}

const PLACE: Place = Place {
    cluster_id: 5,
    lsn: Lsn(100),
    previous: Lsn(48),
    durable: Lsn(48),
    owner: Owner {
        database: 1,
        table: 2,
    },
};

fn decode(record: &[u8]) -> Option<Entry> {
    let head = RecordHead::decode(record).ok()?;
    if !head.is_whole(record, 5) {
        return None;
    }
    assert_eq!(
        (head.lsn, head.previous, head.owner),
        (PLACE.lsn, PLACE.previous, PLACE.owner)
    );
    head.entry(record.get(LOG_RECORD_HEAD_LEN..)?).ok()
}

#[test]
fn records_come_back_and_every_changed_byte_is_found() {
    for entry in entries() {
        let mut w = ByteWriter::new();
        encode(&mut w, &PLACE, &entry).unwrap();
        let bytes = w.into_vec();
        assert_eq!(decode(&bytes), Some(entry));
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            assert_eq!(decode(&flipped), None, "byte {at}");
            assert_eq!(decode(&bytes[..at]), None, "cut at {at}");
        }
    }
}
