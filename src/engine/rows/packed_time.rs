//! Dates and timestamps as small integers (format page, "Row codec").
//!
//! A text is packed only when unpacking prints the same text again; everything
//! else stays text. Days are counted in months of 31 and years of 372, so that
//! no calendar is needed and `2025-02-30`, which a server may have stored,
//! comes back as it was.

use crate::codec::{unzigzag, zigzag};

/// Bytes of `2025-01-02`.
pub(in crate::engine) const DATE_LEN: usize = 10;
/// Bytes of `2025-01-02T03:04:05`.
pub(in crate::engine) const TIMESTAMP_LEN: usize = DATE_LEN + 9;
/// Bytes of `2025-01-02T03:04:05Z`.
pub(in crate::engine) const TIMESTAMP_TZ_LEN: usize = TIMESTAMP_LEN + 1;

const DAYS_A_MONTH: u64 = 31;
const DAYS_A_YEAR: u64 = 12 * DAYS_A_MONTH;
const SECONDS_A_DAY: u64 = 24 * 60 * 60;
/// Days from 0000-01-01 to 9999-12-31, inclusive.
const DAY_COUNT: u64 = 10_000 * DAYS_A_YEAR;
/// Counted from 2020-01-01: dates of the years 1998 to 2041 fit two bytes.
pub(in crate::engine) const EPOCH_DAY: u64 = 2020 * DAYS_A_YEAR;

/// Packs a date, `None` for any other text.
pub(in crate::engine) fn pack_date(text: &[u8]) -> Option<u64> {
    let date = text.try_into().ok()?;
    relative(day_of(date)?, EPOCH_DAY)
}

/// Packs a timestamp without zone, `None` for any other text.
pub(in crate::engine) fn pack_timestamp(text: &[u8]) -> Option<u64> {
    let (date, time) = text.split_first_chunk()?;
    let second = day_of(date)? * SECONDS_A_DAY + second_of(time.try_into().ok()?)?;
    relative(second, EPOCH_DAY * SECONDS_A_DAY)
}

/// Packs a timestamp in UTC, `None` for any other text.
pub(in crate::engine) fn pack_timestamp_tz(text: &[u8]) -> Option<u64> {
    pack_timestamp(text.strip_suffix(b"Z")?)
}

/// Prints a packed date, `None` for a number that no date packs to.
pub(in crate::engine) fn unpack_date(packed: u64) -> Option<[u8; DATE_LEN]> {
    absolute(packed, EPOCH_DAY, DAY_COUNT).map(print_date)
}

/// Prints a packed timestamp in UTC, `None` for a number that none packs to.
/// Without its last byte it is the timestamp without zone.
pub(in crate::engine) fn unpack_timestamp_tz(packed: u64) -> Option<[u8; TIMESTAMP_TZ_LEN]> {
    let count = DAY_COUNT * SECONDS_A_DAY;
    let second = absolute(packed, EPOCH_DAY * SECONDS_A_DAY, count)?;
    let [y1, y2, y3, y4, s1, m1, m2, s2, d1, d2] = print_date(second / SECONDS_A_DAY);
    let time = second % SECONDS_A_DAY;
    let ([h1, h2], [n1, n2]) = (two_digits(time / 3600), two_digits(time / 60 % 60));
    let [c1, c2] = two_digits(time % 60);
    Some([
        y1, y2, y3, y4, s1, m1, m2, s2, d1, d2, b'T', h1, h2, b':', n1, n2, b':', c1, c2, b'Z',
    ])
}

/// Whether a date packs to a number.
#[inline]
pub(in crate::engine) fn is_date(packed: u64) -> bool {
    absolute(packed, EPOCH_DAY, DAY_COUNT).is_some()
}

/// Whether a timestamp packs to a number.
#[inline]
pub(in crate::engine) fn is_timestamp(packed: u64) -> bool {
    let count = DAY_COUNT * SECONDS_A_DAY;
    absolute(packed, EPOCH_DAY * SECONDS_A_DAY, count).is_some()
}

fn relative(number: u64, epoch: u64) -> Option<u64> {
    let number = i64::try_from(number).ok()?;
    Some(zigzag(number - i64::try_from(epoch).ok()?))
}

#[inline]
fn absolute(packed: u64, epoch: u64, count: u64) -> Option<u64> {
    let number = epoch.checked_add_signed(unzigzag(packed))?;
    (number < count).then_some(number)
}

#[inline]
fn day_of(text: &[u8; DATE_LEN]) -> Option<u64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else {
        return None;
    };
    let year = number([y1, y2])? * 100 + number([y3, y4])?;
    let (month, day) = (number([m1, m2])?, number([d1, d2])?);
    let fits = (1..=12).contains(&month) && (1..=DAYS_A_MONTH).contains(&day);
    fits.then(|| year * DAYS_A_YEAR + (month - 1) * DAYS_A_MONTH + day - 1)
}

fn second_of(text: &[u8; TIMESTAMP_LEN - DATE_LEN]) -> Option<u64> {
    let [b'T', h1, h2, b':', m1, m2, b':', s1, s2] = *text else {
        return None;
    };
    let (hour, minute, second) = (number([h1, h2])?, number([m1, m2])?, number([s1, s2])?);
    let fits = hour < 24 && minute < 60 && second < 60;
    fits.then_some((hour * 60 + minute) * 60 + second)
}

#[inline]
fn number(digits: [u8; 2]) -> Option<u64> {
    let [tens, ones] = digits;
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| u64::from(tens) * 10 + u64::from(ones))
}

#[inline]
fn print_date(day: u64) -> [u8; DATE_LEN] {
    let year = day / DAYS_A_YEAR;
    let ([y1, y2], [y3, y4]) = (two_digits(year / 100), two_digits(year % 100));
    let in_year = day % DAYS_A_YEAR;
    let [m1, m2] = two_digits(in_year / DAYS_A_MONTH + 1);
    let [d1, d2] = two_digits(in_year % DAYS_A_MONTH + 1);
    [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2]
}

/// The digits of a number below 100.
#[inline]
fn two_digits(number: u64) -> [u8; 2] {
    let [number, ..] = number.to_le_bytes();
    [b'0' + number / 10 % 10, b'0' + number % 10]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn recent_dates_take_two_bytes_and_recent_times_five() {
        assert_eq!(pack_date(b"2020-01-01"), Some(0));
        assert!(pack_date(b"1998-01-01").unwrap() < 1 << 14);
        assert!(pack_date(b"2041-12-31").unwrap() < 1 << 14);
        assert!(pack_timestamp(b"2041-12-31T23:59:59").unwrap() < 1 << 35);
        assert_eq!(pack_timestamp_tz(b"2020-01-01T00:00:01Z"), Some(2));
    }

    #[test]
    fn the_limits_of_the_year_come_back() {
        for text in ["0000-01-01", "9999-12-31", "2023-02-30"] {
            let unpacked = unpack_date(pack_date(text.as_bytes()).unwrap()).unwrap();
            assert_eq!(std::str::from_utf8(&unpacked), Ok(text));
        }
        assert_eq!(
            unpack_date(pack_date(b"9999-12-31").unwrap() + 2),
            None,
            "10000-01-01"
        );
        assert_eq!(
            unpack_date(pack_date(b"0000-01-01").unwrap() + 2),
            None,
            "the day before year 0"
        );
        assert_eq!(unpack_date(u64::MAX), None);
        assert_eq!(unpack_timestamp_tz(u64::MAX), None);
        assert_eq!(unpack_timestamp_tz(u64::MAX - 1), None);
    }

    #[test]
    fn a_number_is_a_date_or_a_timestamp_where_it_unpacks() {
        let last = pack_timestamp(b"9999-12-31T23:59:59").unwrap();
        let first = pack_timestamp(b"0000-01-01T00:00:00").unwrap();
        let days = ["9999-12-31", "0000-01-01"].map(|day| pack_date(day.as_bytes()).unwrap());
        let edges = [last, first, days[0], days[1], u64::MAX, 0, i64::MAX as u64];
        for number in edges
            .iter()
            .flat_map(|n| (0..5).map(|more| n.wrapping_add(more)))
        {
            assert_eq!(is_date(number), unpack_date(number).is_some());
            assert_eq!(is_timestamp(number), unpack_timestamp_tz(number).is_some());
        }
    }

    #[test]
    fn texts_that_would_not_print_alike_stay_text() {
        for text in [
            "",
            "2025-1-02",
            "2025-01-32",
            "2025-13-01",
            "2025-00-01",
            "2025-01-00",
            "+12345-01-02",
            "-001-01-02",
            "2025/01/02",
            "2025-01-02 ",
            "２０25-01",
        ] {
            assert_eq!(pack_date(text.as_bytes()), None, "{text}");
        }
        for text in [
            "2025-01-02",
            "2025-01-02 03:04:05",
            "2025-01-02T24:00:00",
            "2025-01-02T23:60:00",
            "2025-01-02T23:59:60",
            "2025-01-02T03:04:05.120",
            "2025-01-02T03:04:05Z",
        ] {
            assert_eq!(pack_timestamp(text.as_bytes()), None, "{text}");
        }
        assert_eq!(pack_timestamp_tz(b"2025-01-02T03:04:05"), None);
        assert_eq!(pack_timestamp_tz(b"2025-01-02T03:04:05+00:00"), None);
    }

    proptest! {
        #[test]
        fn what_packs_prints_alike(
            text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]Z?"
        ) {
            if let Some(packed) = pack_date(&text.as_bytes()[..DATE_LEN]) {
                let unpacked = unpack_date(packed).unwrap();
                prop_assert_eq!(&unpacked[..], &text.as_bytes()[..DATE_LEN]);
            }
            if let Some(packed) = pack_timestamp_tz(text.as_bytes()) {
                let unpacked = unpack_timestamp_tz(packed).unwrap();
                prop_assert_eq!(&unpacked[..], text.as_bytes());
            }
            if let Some(packed) = pack_timestamp(text.as_bytes()) {
                let unpacked = unpack_timestamp_tz(packed).unwrap();
                prop_assert_eq!(&unpacked[..TIMESTAMP_LEN], text.as_bytes());
            }
        }

        #[test]
        fn every_number_in_range_packs_back(number in 0..DAY_COUNT * SECONDS_A_DAY) {
            let packed = relative(number, EPOCH_DAY * SECONDS_A_DAY).unwrap();
            let text = unpack_timestamp_tz(packed).unwrap();
            prop_assert_eq!(pack_timestamp_tz(&text), Some(packed));
        }
    }
}
