//! Unix seconds for people.

const SECONDS_PER_DAY: u64 = 86_400;
/// Days of 400 years, after which the calendar repeats.
const DAYS_PER_CYCLE: u64 = 146_097;
/// The last second of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;

/// UTC as `2026-11-22 21:33:20`; the bare number where no year of four digits
/// holds it, as in damaged or forged files.
pub fn utc_text(unix_seconds: u64) -> String {
    if unix_seconds > LAST_SECOND {
        return unix_seconds.to_string();
    }
    let mut days = unix_seconds / SECONDS_PER_DAY;
    let mut year = 1970 + days / DAYS_PER_CYCLE * 400;
    days %= DAYS_PER_CYCLE;
    while days >= days_of_year(year) {
        days -= days_of_year(year);
        year += 1;
    }
    let mut month = 1;
    while days >= days_of_month(year, month) {
        days -= days_of_month(year, month);
        month += 1;
    }
    let second = unix_seconds % SECONDS_PER_DAY;
    format!(
        "{year:04}-{month:02}-{:02} {:02}:{:02}:{:02}",
        days + 1,
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_the_dates_that_date_u_prints() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_795_384_647, "2026-11-22 21:57:27"),
            (4_107_542_400, "2100-03-01 00:00:00"),
            (13_569_465_600, "2400-01-01 00:00:00"),
            (LAST_SECOND, "9999-12-31 23:59:59"),
        ] {
            assert_eq!(utc_text(seconds), text);
        }
        assert_eq!(utc_text(u64::MAX), "18446744073709551615");
    }
}
