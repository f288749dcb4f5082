//! Dates and moments as texts, and the numbers that they are.

/// Microseconds of a day.
const DAY_MICROS: i64 = 86_400_000_000;
/// Digits of a second's fraction that a timestamp keeps.
const FRACTION_DIGITS: usize = 6;
/// Bytes of `2025-01-02`.
const DATE_LEN: usize = 10;
/// Bytes of `03:04:05`.
const TIME_LEN: usize = 8;
/// Bytes of the longest text that PostgreSQL takes for a moment, with room.
const MAX_LEN: usize = 100;
/// How a moment in UTC may end: the old server knows no other zone.
const UTC: [&str; 4] = ["Z", "+00", "+00:00", "+0000"];
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAY: i32 = 719_468;
const DAYS_A_CYCLE: i32 = 146_097;
const YEARS_A_CYCLE: i32 = 400;

/// A date, or a moment to the microsecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Days since 1970-01-01, by the Gregorian calendar.
    pub day: i32,
    /// Microseconds since midnight; `None` of a date.
    pub time: Option<i64>,
    /// Whether it says that it is in UTC.
    pub utc: bool,
}

impl Moment {
    /// Reads `2025-01-02`, with `T` or a space and `03:04:05.6` after it, and then
    /// `Z` or `+00`, in the years 1 to 9999: others PostgreSQL writes in another
    /// way. `None` for a leap second, which would become the next minute, and for a
    /// fraction that would be rounded.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_LEN {
            return None;
        }
        let (date, rest) = text.as_bytes().split_at_checked(DATE_LEN)?;
        let day = day(date)?;
        let (clock, zone) = match rest {
            [] => {
                return Some(Moment {
                    day,
                    time: None,
                    utc: false,
                });
            }
            [b'T' | b' ', rest @ ..] => rest.split_at_checked(TIME_LEN)?,
            _ => return None,
        };
        let &[h1, h2, b':', m1, m2, b':', s1, s2] = clock else {
            return None;
        };
        let (hour, minute, second) = (two(h1, h2)?, two(m1, m2)?, two(s1, s2)?);
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
        let (fraction, zone) = match zone {
            [b'.', rest @ ..] => {
                let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let (digits, zone) = rest.split_at_checked(digits)?;
                (fraction(digits)?, zone)
            }
            zone => (0, zone),
        };
        let utc = UTC.iter().any(|text| text.as_bytes() == zone);
        (utc || zone.is_empty()).then_some(Moment {
            day,
            time: Some(seconds * 1_000_000 + fraction),
            utc,
        })
    }

    /// Microseconds since 1970-01-01; of a date, of its midnight.
    pub fn micros(&self) -> i64 {
        i64::from(self.day) * DAY_MICROS + self.time.unwrap_or(0)
    }
}

fn two(tens: u8, ones: u8) -> Option<u8> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| byte - b'0');
    Some(digit(tens)? * 10 + digit(ones)?)
}

/// Microseconds of `996577`; `None` without a digit, or with more that count.
fn fraction(digits: &[u8]) -> Option<i64> {
    let zeros = std::iter::repeat(&b'0');
    let kept = digits.iter().chain(zeros).take(FRACTION_DIGITS);
    let micros = kept.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    let mut rest = digits.iter().skip(FRACTION_DIGITS);
    (!digits.is_empty() && rest.all(|digit| *digit == b'0')).then_some(micros)
}

/// Days since 1970-01-01, by the calendar in cycles of 400 years that begin in
/// March.
fn day(text: &[u8]) -> Option<i32> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else {
        return None;
    };
    let year = i32::from(two(y1, y2)?) * 100 + i32::from(two(y3, y4)?);
    let (month, day) = (i32::from(two(m1, m2)?), i32::from(two(d1, d2)?));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year == 0 || !(1..=days).contains(&day) {
        return None;
    }
    let year = year - i32::from(month <= 2);
    let (cycle, of_cycle) = (
        year.div_euclid(YEARS_A_CYCLE),
        year.rem_euclid(YEARS_A_CYCLE),
    );
    let from_march = (month + 9) % 12;
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    let day = of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + of_year;
    Some(cycle * DAYS_A_CYCLE + day - EPOCH_DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str) -> Option<i64> {
        Moment::parse(text).map(|moment| moment.micros())
    }

    #[test]
    fn days_are_counted_as_by_any_calendar() {
        // As `date -u -d DATE +%s` says, in days.
        for (text, count) in [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("2000-02-29", 11_016),
            ("2000-03-01", 11_017),
            ("2025-01-02", 20_090),
            ("0001-01-01", -719_162),
            ("9999-12-31", 2_932_896),
        ] {
            let moment = Moment::parse(text).unwrap();
            assert_eq!((moment.day, moment.time), (count, None), "{text}");
        }
    }

    #[test]
    fn moments_keep_their_fraction_and_say_whether_they_are_in_utc() {
        assert_eq!(micros("1970-01-01T00:00:01.5Z"), Some(1_500_000));
        assert_eq!(micros("1969-12-31 23:59:59.999999"), Some(-1));
        assert_eq!(micros("1970-01-02"), Some(DAY_MICROS));
        for zone in UTC {
            let moment = Moment::parse(&format!("2007-01-28 21:58:52.120{zone}")).unwrap();
            assert!(moment.utc, "{zone}");
            assert_eq!(moment.micros(), 1_170_021_532_120_000);
        }
        assert!(!Moment::parse("2007-01-28T21:58:52").unwrap().utc);
    }

    #[test]
    fn what_would_come_back_otherwise_is_none() {
        for text in [
            "",
            "2025-02-30",
            "0000-01-01",
            "2025-01-02Z",
            "2025-01-02T",
            "2025-01-02T03:04",
            "2025-01-02T24:00:00",
            "2016-12-31T23:59:60",
            "2025-01-02T03:04:05.",
            "2025-01-02T03:04:05.1234567",
            "2025-01-02T03:04:05+01",
            "2025-01-02T03:04:05 +00",
            "2025-01-02t03:04:05",
            "é025-01-02T03:04:05",
            "+12345-01-02T03:04:05",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
        let zeros = format!("2025-01-02T03:04:05.5{}", "0".repeat(100));
        assert_eq!(Moment::parse(&zeros), None);
        assert!(Moment::parse("2025-01-02T03:04:05.500000000").is_some());
    }
}
