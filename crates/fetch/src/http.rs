//! The HTTP client: one GET, with redirects followed by hand.
//!
//! By hand, since the Hub describes a file in the headers of its first answer, which redirects to
//! where the bytes are; and since the token must go to the Hub only.

use super::{FetchError, FetchSettings, Result};
use minference_attention::files;
use std::io::{ErrorKind, Read};
use std::time::Duration;
use ureq::tls::{PemItem, RootCerts, TlsConfig};
use ureq::{Agent, Body, http::HeaderMap};

const MAX_REDIRECTS: usize = 10;

/// What is wrong with a request, if it is worth another try.
#[derive(Debug)]
pub(super) enum HttpFailure {
    /// There is no connection to be had.
    NoConnection { server: String, reason: String },
    /// The connection broke or stood still, or the server asks for patience.
    Broken(String),
}

/// An answer whose body has not been read yet.
pub(super) struct HttpResponse {
    pub(super) status: u16,
    /// Headers of the first answer, before any redirect.
    pub(super) first: HeaderMap,
    /// Headers of the last.
    pub(super) last: HeaderMap,
    /// Whether the last one is another server's.
    pub(super) redirected: bool,
    body: Body,
}

impl HttpResponse {
    /// The body, as it comes.
    pub(super) fn into_reader(self) -> impl Read {
        self.body.into_reader()
    }

    /// The whole body, of at most so many bytes.
    pub(super) fn read_all(self, limit: u64) -> std::result::Result<Vec<u8>, HttpFailure> {
        let mut bytes = Vec::new();
        let mut reader = self.body.into_reader().take(limit);
        reader.read_to_end(&mut bytes).map_err(|error| HttpFailure::Broken(error.to_string()))?;
        Ok(bytes)
    }
}

pub(super) struct Client {
    agent: Agent,
    /// Scheme, host and port of the Hub.
    origin: String,
    token: Option<String>,
}

impl Client {
    pub(super) fn new(settings: &FetchSettings) -> Result<Self> {
        let roots = match &settings.certificates {
            None => RootCerts::WebPki,
            Some(path) => {
                let pem = files::read(path, files::SETTINGS_BYTES)
                    .map_err(|source| FetchError::io(path, source, None))?;
                let certificates = ureq::tls::parse_pem(&pem).filter_map(|item| match item {
                    Ok(PemItem::Certificate(certificate)) => Some(certificate),
                    _ => None,
                });
                let certificates: Vec<_> = certificates.collect();
                if certificates.is_empty() {
                    return Err(FetchError::Setting {
                        variable: "SSL_CERT_FILE",
                        expected: "a file with certificates in PEM",
                        found: path.display().to_string(),
                    });
                }
                RootCerts::new_with_certs(&certificates)
            }
        };
        if !["https://", "http://"].iter().any(|scheme| settings.endpoint.starts_with(scheme)) {
            return Err(FetchError::Setting {
                variable: "HF_ENDPOINT",
                expected: "an address that begins with https:// or http://",
                found: settings.endpoint.clone(),
            });
        }
        let origin = origin(&settings.endpoint).to_string();
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("minference/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .timeout_resolve(Some(settings.silence))
            .timeout_connect(Some(settings.silence))
            .timeout_recv_response(Some(settings.silence.saturating_mul(3)))
            .timeout_per_read(Some(settings.silence))
            .timeout_per_write(Some(settings.silence))
            .tls_config(TlsConfig::builder().root_certs(roots).build());
        if is_this_machine(&origin) {
            config = config.proxy(None);
        }
        Ok(Self { agent: config.build().into(), origin, token: settings.token.clone() })
    }

    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Asks for what is at an address, from an offset on.
    pub(super) fn get(&self, url: &str, offset: u64) -> std::result::Result<HttpResponse, HttpFailure> {
        let mut url = url.to_string();
        let mut first = None;
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self.agent.get(&url);
            let redirected = origin(&url) != self.origin;
            if let Some(token) = self.token.as_ref().filter(|_| !redirected) {
                request = request.header("Authorization", format!("Bearer {token}"));
            }
            if offset > 0 {
                request = request.header("Range", format!("bytes={offset}-"));
            }
            let response = request.call().map_err(|error| failure(origin(&url), &error))?;
            let status = response.status().as_u16();
            let (parts, body) = response.into_parts();
            let location = header(&parts.headers, "location").map(|location| join(&url, location));
            if let (true, Some(location)) = (matches!(status, 301 | 302 | 303 | 307 | 308), location) {
                first.get_or_insert(parts.headers);
                url = location;
                continue;
            }
            let last = parts.headers;
            return Ok(HttpResponse {
                status,
                first: first.unwrap_or_else(|| last.clone()),
                last,
                redirected,
                body,
            });
        }
        Err(HttpFailure::Broken(format!("more than {MAX_REDIRECTS} redirects")))
    }
}

/// A header's value, if it is text.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Escapes what can't stand in an address's path. Slashes stay.
pub(super) fn escape_path(text: &str) -> String {
    let escape = |byte: u8| {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            (byte as char).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(escape).collect()
}

/// Sleeps in short pieces, so that giving up takes effect soon.
pub(super) fn pause(duration: Duration, progress: &dyn super::FetchProgress) -> Result<()> {
    let end = std::time::Instant::now() + duration;
    loop {
        super::progress::check(progress)?;
        let left = end.saturating_duration_since(std::time::Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
}

/// What breaks a connection that was there is worth another try; anything else, from a name without
/// an address to a certificate that is not trusted, means that there is none.
fn failure(server: &str, error: &ureq::Error) -> HttpFailure {
    use ureq::Timeout;
    let broken = match error {
        ureq::Error::Timeout(timeout) => !matches!(timeout, Timeout::Resolve | Timeout::Connect),
        ureq::Error::Protocol(_) => true,
        ureq::Error::Io(error) => matches!(
            error.kind(),
            ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::UnexpectedEof
                | ErrorKind::TimedOut
                | ErrorKind::WouldBlock
                | ErrorKind::Interrupted
        ),
        _ => false,
    };
    let reason = error.to_string();
    if broken {
        HttpFailure::Broken(reason)
    } else {
        HttpFailure::NoConnection { server: server.to_string(), reason }
    }
}

/// Scheme, host and port.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    url[host..].find(['/', '?', '#']).map_or(url, |end| &url[..host + end])
}

fn is_this_machine(origin: &str) -> bool {
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    ["127.0.0.1", "localhost", "[::1]"]
        .iter()
        .any(|name| host.strip_prefix(name).is_some_and(|port| port.is_empty() || port.starts_with(':')))
}

/// The address that a Location header means.
fn join(base: &str, location: &str) -> String {
    if location.contains("://") {
        return location.to_string();
    }
    if let Some(rest) = location.strip_prefix("//") {
        let scheme = base.split_once("://").map_or("https", |(scheme, _)| scheme);
        return format!("{scheme}://{rest}");
    }
    if location.starts_with('/') {
        return format!("{}{location}", origin(base));
    }
    let path = base.split(['?', '#']).next().unwrap_or(base);
    let folder = path.rfind('/').filter(|&at| at >= origin(base).len()).unwrap_or(path.len());
    format!("{}/{location}", &path[..folder])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_joined() {
        let base = "https://hub.example:8443/a/b?x=/y";
        assert_eq!(join(base, "https://cdn/x"), "https://cdn/x");
        assert_eq!(join(base, "//cdn/x"), "https://cdn/x");
        assert_eq!(join(base, "/x?y"), "https://hub.example:8443/x?y");
        assert_eq!(join(base, "c"), "https://hub.example:8443/a/c");
        assert_eq!(join("http://host", "c"), "http://host/c");
    }

    #[test]
    fn origins_decide_who_sees_the_token() {
        assert_eq!(origin("https://huggingface.co/a"), "https://huggingface.co");
        assert_ne!(origin("https://huggingface.co.evil/a"), origin("https://huggingface.co/a"));
        assert_ne!(origin("http://huggingface.co/a"), origin("https://huggingface.co/a"));
        assert!(is_this_machine("http://127.0.0.1:80") && is_this_machine("http://localhost"));
        assert!(!is_this_machine("http://localhost.example"));
    }

    #[test]
    fn only_connections_that_were_there_are_tried_again() {
        let is_broken =
            |error: std::io::Error| matches!(failure("x", &ureq::Error::Io(error)), HttpFailure::Broken(_));
        assert!(is_broken(ErrorKind::ConnectionReset.into()));
        assert!(!is_broken(ErrorKind::ConnectionRefused.into()));
        assert!(!is_broken(std::io::Error::other("failed to lookup address information")));
        assert!(matches!(failure("x", &ureq::Error::HostNotFound), HttpFailure::NoConnection { .. }));
    }

    #[test]
    fn paths_are_escaped() {
        assert_eq!(escape_path("a b/c#d%é.gguf"), "a%20b/c%23d%25%C3%A9.gguf");
    }
}
