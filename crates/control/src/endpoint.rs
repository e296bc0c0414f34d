//! Where the API is served: `unix:/path` or `http://host:port`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The address of a gateway's API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix socket of this machine.
    Unix(PathBuf),
    /// TCP without TLS, as `host:port`.
    Http(String),
}

/// Why a text is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no endpoint: write unix:/path/to/socket or http://host:port")]
pub struct EndpointError(pub String);

impl Endpoint {
    /// Where `flypackd` listens unless it is told otherwise.
    pub const DEFAULT: &'static str = "unix:/run/flypack/flypack.sock";
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let refuse = || EndpointError(text.chars().take(200).collect());
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.len() > 1 && !path.contains('\0') { Ok(Self::Unix(path.into())) } else { Err(refuse()) };
        }
        let authority = text.strip_prefix("http://").ok_or_else(refuse)?.trim_end_matches('/');
        let (host, port) = authority.rsplit_once(':').ok_or_else(refuse)?;
        let host_is_legal =
            !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
        if host_is_legal && port.parse::<u16>().is_ok_and(|port| port != 0) {
            Ok(Self::Http(authority.to_owned()))
        } else {
            Err(refuse())
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Http(authority) => write!(f, "http://{authority}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_round_trip() {
        for text in
            ["unix:/run/flypack/flypack.sock", "http://127.0.0.1:9000", "http://[::1]:9000", "http://rack-1:9000"]
        {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        assert_eq!("unix:///a/b".parse::<Endpoint>().unwrap(), Endpoint::Unix("/a/b".into()));
        assert!(Endpoint::DEFAULT.parse::<Endpoint>().is_ok());
    }

    #[test]
    fn anything_else_is_refused_with_both_forms_named() {
        for bad in [
            "",
            "unix:",
            "unix:/",
            "/run/x.sock",
            "http://",
            "http://host",
            "http://:1",
            "http://h:0",
            "http://h:x",
            "https://h:1",
            "http://h/p:1",
        ] {
            let error = bad.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.contains("unix:/") && error.contains("http://"), "{bad}: {error}");
        }
    }
}
