//! Decimals as text, compared without ever becoming a double.

/// Digits before the point that a numeric takes.
const MAX_WHOLE_DIGITS: usize = 131_072;
/// Digits after the point that a numeric takes.
const MAX_FRACTION_DIGITS: usize = 16_383;
/// Significant digits that a double always gives back.
const DOUBLE_DIGITS: usize = 15;
/// Digits before the point, or zeros behind it, with which a decimal is far
/// from the ends of a double's range.
const DOUBLE_RANGE: usize = 290;

/// A decimal without exponent: `-12.50`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal<'t> {
    negative: bool,
    /// Without leading zeros.
    whole: &'t str,
    /// Without trailing zeros.
    fraction: &'t str,
}

impl<'t> Decimal<'t> {
    /// Reads a decimal that PostgreSQL reads too.
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = match unsigned.split_once('.') {
            Some((_, "")) => return None,
            Some((whole, fraction)) => (whole, fraction),
            None => (unsigned, ""),
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            return None;
        }
        let decimal = Decimal {
            negative,
            whole: whole.trim_start_matches('0'),
            fraction: fraction.trim_end_matches('0'),
        };
        let fits = decimal.whole.len() <= MAX_WHOLE_DIGITS && fraction.len() <= MAX_FRACTION_DIGITS;
        fits.then_some(decimal)
    }

    fn is_zero(&self) -> bool {
        self.whole.is_empty() && self.fraction.is_empty()
    }

    /// Digits before and after the point, without superfluous zeros.
    pub(super) fn digits(&self) -> (usize, usize) {
        (self.whole.len(), self.fraction.len())
    }

    /// Whether NUMERIC(precision, scale) holds it without rounding.
    pub(super) fn fits(&self, precision: u8, scale: u8) -> bool {
        self.fraction.len() <= usize::from(scale)
            && self.whole.len() <= usize::from(precision.saturating_sub(scale))
    }

    /// Whether a double gives exactly this decimal back.
    pub(super) fn fits_double(&self) -> bool {
        let significant = match self.whole.is_empty() {
            true => self.fraction.trim_start_matches('0').len(),
            false => self.whole.len().saturating_add(self.fraction.len()),
        };
        significant <= DOUBLE_DIGITS && self.fraction.len() <= DOUBLE_RANGE
    }

    /// The integer that it is, if one of 64 bits.
    pub(super) fn integer(&self) -> Option<i64> {
        if self.is_zero() {
            return Some(0);
        }
        let whole = Some(self.whole).filter(|_| self.fraction.is_empty())?;
        let whole: i128 = whole.parse().ok()?;
        i64::try_from(if self.negative { -whole } else { whole }).ok()
    }

    /// It as an integer of the last place of NUMERIC(precision, scale), if that holds
    /// it without rounding; a precision of at most 38.
    pub(super) fn unscaled(&self, precision: u8, scale: u8) -> Option<i128> {
        if !self.fits(precision, scale) {
            return None;
        }
        let places = usize::from(scale).checked_sub(self.fraction.len())?;
        let digits = self.whole.bytes().chain(self.fraction.bytes());
        let zeros = std::iter::repeat_n(b'0', places);
        let number = digits.chain(zeros).try_fold(0_i128, |number, digit| {
            let digit = i128::from(digit.checked_sub(b'0')?);
            number.checked_mul(10)?.checked_add(digit)
        })?;
        Some(if self.negative { -number } else { number })
    }

    /// Appends a form in which equal decimals have equal bytes.
    pub(super) fn push_canonical(&self, out: &mut Vec<u8>) {
        if self.negative && !self.is_zero() {
            out.push(b'-');
        }
        out.extend_from_slice(self.whole.as_bytes());
        out.push(b'.');
        out.extend_from_slice(self.fraction.as_bytes());
    }
}

/// Whether a text is a decimal as PostgreSQL prints it.
pub(super) fn is_canonical(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let whole = unsigned
        .split_once('.')
        .map_or(unsigned, |(whole, _)| whole);
    let padded = whole.len() > 1 && whole.starts_with('0');
    !padded && Decimal::parse(text).is_some_and(|d| !(d.negative && d.is_zero()))
}

/// Whether a text is an integer as PostgreSQL prints it.
pub(super) fn is_canonical_integer<T: std::str::FromStr + ToString>(text: &str) -> bool {
    text.parse::<T>()
        .is_ok_and(|value| value.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Option<String> {
        let mut out = Vec::new();
        Decimal::parse(text)?.push_canonical(&mut out);
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn equal_decimals_have_one_form() {
        for text in ["1.50", "1.5", "01.5"] {
            assert_eq!(canonical(text).as_deref(), Some("1.5"), "{text}");
        }
        for text in ["0", "-0", "0.00", "-00.0"] {
            assert_eq!(canonical(text).as_deref(), Some("."), "{text}");
        }
        assert_eq!(canonical("-0.50").as_deref(), Some("-.5"));
        for text in ["", "-", ".", "1.", ".5", "1e5", "+1", "1.2.3", "NaN", " 1"] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }

    #[test]
    fn what_a_type_would_round_does_not_fit() {
        let fits = |text, p, s| Decimal::parse(text).unwrap().fits(p, s);
        assert!(fits("12.50", 4, 2) && fits("99.99", 4, 2) && fits("0.500", 3, 1));
        assert!(!fits("100", 4, 2) && !fits("1.005", 4, 2));
        let unscaled = |text, p, s| Decimal::parse(text).unwrap().unscaled(p, s);
        assert_eq!(unscaled("12.5", 4, 2), Some(1250));
        assert_eq!(unscaled("-0.05", 4, 2), Some(-5));
        assert_eq!(unscaled("7.500", 4, 1), Some(75));
        assert_eq!(unscaled("7.55", 4, 1), None);
        let longest = "9".repeat(38);
        assert_eq!(unscaled(&longest, 38, 0), longest.parse().ok());
        assert_eq!(
            unscaled(&format!("-0.{longest}"), 38, 38),
            format!("-{longest}").parse().ok()
        );
        let double = |text| Decimal::parse(text).unwrap().fits_double();
        assert!(double("-92199.3152") && double("0.000000000000000123456789012345"));
        assert!(double("123456789012345"));
        assert!(!double("1234567890123456") && !double("0.1234567890123456"));
    }
}
