//! A reader of CSV, for what the tool and its peers write.

/// Fields of one CSV record: the text, and whether it was quoted.
pub type Field = (String, bool);

/// A reader of CSV that tells bare from quoted fields.
pub fn csv(text: &str) -> Vec<Vec<Field>> {
    let mut records = Vec::new();
    let (mut record, mut field) = (Vec::new(), (String::new(), false));
    let mut inside = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if inside && chars.peek() == Some(&'"') => {
                chars.next();
                field.0.push('"');
            }
            '"' => {
                inside = !inside;
                field.1 = true;
            }
            ',' if !inside => record.push(std::mem::take(&mut field)),
            '\n' if !inside => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            c => field.0.push(c),
        }
    }
    assert!(!inside && record.is_empty() && field.0.is_empty());
    records
}
