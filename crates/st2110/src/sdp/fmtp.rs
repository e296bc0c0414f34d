//! The parameters of `a=fmtp`: `name[=value]; name[=value]; ...` (ST 2110-20 §7.1).

use super::SdpError;

/// Parameters in their order, each name once.
#[derive(Debug)]
pub(super) struct Fmtp(Vec<Parameter>);

#[derive(Debug)]
struct Parameter {
    name: String,
    value: Option<String>,
}

impl Fmtp {
    /// Splits what follows the payload type.
    pub(super) fn parse(text: &str) -> Result<Self, SdpError> {
        let mut parameters: Vec<Parameter> = Vec::new();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name.trim(), Some(value.trim().to_owned())),
                None => (part, None),
            };
            if parameters.iter().any(|p| p.name.eq_ignore_ascii_case(name)) {
                return Err(SdpError::Doubled { name: name.to_owned() });
            }
            parameters.push(Parameter { name: name.to_owned(), value });
        }
        Ok(Self(parameters))
    }

    /// Takes a parameter out, by its name in any case. The value of a flag is empty.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|p| p.name.eq_ignore_ascii_case(name))?;
        Some(self.0.remove(at).value.unwrap_or_default())
    }

    /// Takes a parameter out that must be there.
    pub(super) fn need(&mut self, name: &'static str, remedy: &'static str) -> Result<String, SdpError> {
        self.take(name).ok_or(SdpError::Missing { name, remedy })
    }

    /// Takes a whole number out.
    pub(super) fn number(&mut self, name: &'static str, want: &'static str) -> Result<Option<u32>, SdpError> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        // `parse` alone would take a sign.
        let digits = value.bytes().all(|b| b.is_ascii_digit());
        match value.parse() {
            Ok(number) if digits => Ok(Some(number)),
            _ => Err(SdpError::Value { name, value, want }),
        }
    }

    /// What has not been taken, in its order.
    pub(super) fn rest(self) -> Vec<(String, Option<String>)> {
        self.0.into_iter().map(|p| (p.name, p.value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_and_case_are_liberal() {
        let mut fmtp = Fmtp::parse(" WIDTH=1920;height = 1080 ;\tinterlace;; x=a=b; ").unwrap();
        assert_eq!(fmtp.number("width", "").unwrap(), Some(1920));
        assert_eq!(fmtp.take("height").as_deref(), Some("1080"));
        assert_eq!(fmtp.take("interlace").as_deref(), Some(""));
        assert_eq!(fmtp.rest(), [("x".to_owned(), Some("a=b".to_owned()))]);
    }

    #[test]
    fn a_doubled_parameter_is_named() {
        let error = Fmtp::parse("depth=10; Depth=8").unwrap_err();
        assert_eq!(error, SdpError::Doubled { name: "Depth".to_owned() });
    }

    #[test]
    fn signs_spaces_and_overflow_are_no_numbers() {
        for text in ["+1", "-1", "1 0", "", "4294967296", "1.0"] {
            assert!(Fmtp::parse(&format!("n={text}")).unwrap().number("n", "").is_err(), "{text}");
        }
    }
}
