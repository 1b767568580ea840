//! Numbers of a body that would be rounded. JSON knows numbers of any length; memberd, like nearly every program, holds whole
//! ones of 64 bits and others as floating point (RFC 7493, section 2.2). A price or an id that came back a little different
//! would be worse than a refusal.

/// Whether all numbers of a JSON text, which can be read, are held as they are written.
pub(super) fn are_exact(json: &[u8]) -> bool {
    let (mut within, mut escaped) = (false, false);
    let mut rest = json.iter();
    let mut number = Vec::new();
    loop {
        let byte = rest.next();
        match byte {
            Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') if !within => {
                number.extend(byte);
                continue;
            }
            Some(b'"') if !escaped => within = !within,
            _ => {}
        }
        escaped = within && !escaped && byte == Some(&b'\\');
        // Of `true` and `false` there is an `e` alone.
        if number.iter().any(u8::is_ascii_digit) && !is_exact(&String::from_utf8_lossy(&number)) {
            return false;
        }
        number.clear();
        if byte.is_none() {
            return true;
        }
    }
}

fn is_exact(number: &str) -> bool {
    number.parse::<i64>().is_ok()
        || number.parse::<u64>().is_ok()
        || number.parse::<f64>().is_ok_and(|float| {
            // The shortest text that means this floating number.
            float.is_finite() && decimal(&format!("{float:e}")) == decimal(number)
        })
}

/// A decimal number's digits without zeros around them, and the power of ten of the last one. Its sign says nothing about
/// whether it is exact.
fn decimal(number: &str) -> (String, i64) {
    let (digits, power) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits = format!("{}{fraction}", whole.trim_start_matches('-'));
    let trimmed = digits.trim_end_matches('0');
    let count = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
    let significant = trimmed.trim_start_matches('0');
    if significant.is_empty() {
        return (String::new(), 0);
    }
    let power = power.parse::<i64>().unwrap_or(i64::MAX);
    let last = power
        .saturating_sub(count(fraction))
        .saturating_add(count(&digits) - count(trimmed));
    (significant.to_owned(), last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_would_be_rounded_is_found_wherever_it_stands() {
        for exact in [
            "0",
            "-0.0",
            "9.990",
            "0.1",
            "1e3",
            "1E+3",
            "1.5e-7",
            "9007199254740993",
            "-9223372036854775808",
            "18446744073709551615",
            "1e300",
            "1.7976931348623157e308",
            "5e-324",
            "0.30000000000000004",
            "100000000000000000000",
            r#"{"a": "1234567890123456789.25", "b\"1.2345678901234567890": [true, false, null, 1]}"#,
            "[]",
            "true",
        ] {
            assert!(are_exact(exact.as_bytes()), "{exact}");
        }
        for rounded in [
            "0.1234567890123456789",
            "18446744073709551616",
            "-9223372036854775809",
            "1234567890123456789.5",
            "1e-400",
            "4.9e-324",
            "9007199254740993.0",
            r#"{"a": "b", "c": [1, 0.10000000000000000001]}"#,
            r#"{"\\": 0.10000000000000000001}"#,
        ] {
            assert!(!are_exact(rounded.as_bytes()), "{rounded}");
        }
    }

    proptest! {
        /// What programs write of their own floating numbers is taken, and comes back as it was.
        #[test]
        fn no_number_of_a_program_is_refused_or_rounded(float in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL, whole: i64) {
            let text = json!({"a": float, "b": [whole]}).to_string();
            prop_assert!(are_exact(text.as_bytes()), "{}", text);
            let read: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read["a"].as_f64(), Some(float), "{}", text);
            prop_assert_eq!(read.to_string(), text);
        }
    }
}
