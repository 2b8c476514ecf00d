//! A Hub on this machine: what the real one answers, and what goes wrong on the way.

use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn git_blob(bytes: &[u8]) -> String {
    hex(&Sha1::new_with_prefix(format!("blob {}\0", bytes.len())).chain_update(bytes).finalize())
}

/// How the server behaves.
#[derive(Clone, Default)]
pub(crate) struct Behaviour {
    /// The token without which it answers 401.
    pub(crate) token: Option<&'static str>,
    /// Ends the next bodies after so many bytes each.
    pub(crate) cut_after: Vec<usize>,
    /// Falls silent after so many bytes of the next body.
    pub(crate) stall_after: Option<usize>,
    /// Answers the next requests for bytes with these statuses.
    pub(crate) failures: Vec<u16>,
    /// Sends other bytes than it announced.
    pub(crate) corrupt: bool,
    /// Knows no ranges.
    pub(crate) no_ranges: bool,
    /// Lists names without sizes and hashes.
    pub(crate) names_only: bool,
}

/// One request, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) authorization: Option<String>,
}

struct State {
    files: HashMap<String, Vec<u8>>,
    behaviour: Mutex<Behaviour>,
    requests: Mutex<Vec<Request>>,
    /// Where large files are redirected to.
    store: Mutex<Option<String>>,
}

/// Files of the repository `owner/name` at [`COMMIT`]. Those that end in `.gguf` or `.safetensors`
/// are large ones.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) endpoint: String,
    state: Arc<State>,
}

impl Server {
    pub(crate) fn start(files: &[(&str, &[u8])], behaviour: Behaviour) -> Self {
        let state = Arc::new(State {
            files: files.iter().map(|(name, bytes)| ((*name).to_string(), bytes.to_vec())).collect(),
            behaviour: Mutex::new(behaviour),
            requests: Mutex::default(),
            store: Mutex::default(),
        });
        let endpoint = listen(&state);
        Self { endpoint, state }
    }

    /// Lets another port serve the large files, as the Hub's stores do.
    pub(crate) fn with_store(self) -> Self {
        *self.state.store.lock().unwrap() = Some(listen(&self.state));
        self
    }

    pub(crate) fn set(&self, behaviour: Behaviour) {
        *self.state.behaviour.lock().unwrap() = behaviour;
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().unwrap().clone()
    }
}

fn listen(state: &Arc<State>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let state = state.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let state = state.clone();
            // a client that goes away in the middle is no failure of the test
            std::thread::spawn(move || serve(&state, stream));
        }
    });
    format!("http://{address}")
}

fn serve(state: &State, stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let path = first.split(' ').nth(1).unwrap_or_default().to_string();
    let mut headers = HashMap::new();
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_string());
    }
    let request = Request {
        path: path.clone(),
        range: headers.remove("range"),
        authorization: headers.remove("authorization"),
    };
    state.requests.lock().unwrap().push(request.clone());
    answer(state, stream, &path, &request)
}

fn answer(state: &State, mut stream: TcpStream, path: &str, request: &Request) -> std::io::Result<()> {
    let behaviour = state.behaviour.lock().unwrap().clone();
    let mut plain = |status: &str, headers: &str, body: &str| {
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
        )
    };
    let expected = behaviour.token.map(|token| format!("Bearer {token}"));
    let in_store = path.starts_with("/store/");
    if !in_store && expected.is_some() && request.authorization != expected {
        return plain("401 Unauthorized", "x-error-code: GatedRepo\r\n", "no");
    }
    if let Some(rest) = path.strip_prefix("/api/models/owner/name/revision/") {
        let revision = rest.split('?').next().unwrap_or_default();
        if !["main", "pr%2F1", COMMIT].contains(&revision) {
            return plain("404 Not Found", "x-error-code: RevisionNotFound\r\n", "");
        }
        return plain("200 OK", "content-type: application/json\r\n", &listing(state, &behaviour));
    }
    let name = path
        .strip_prefix(&format!("/owner/name/resolve/{COMMIT}/"))
        .or_else(|| path.strip_prefix("/store/"))
        .map(|name| name.replace("%20", " "));
    let Some((name, bytes)) = name.and_then(|name| Some((name.clone(), state.files.get(&name)?))) else {
        return plain("404 Not Found", "x-error-code: EntryNotFound\r\n", "");
    };
    let hash = if is_large(&name) { sha256(bytes) } else { git_blob(bytes) };
    let description = format!("x-repo-commit: {COMMIT}\r\netag: \"{hash}\"\r\n");
    let store = state.store.lock().unwrap().clone();
    if let (false, true, Some(store)) = (in_store, is_large(&name), store) {
        let headers = format!(
            "location: {store}/store/{}\r\nx-linked-etag: \"{hash}\"\r\nx-linked-size: {}\r\nx-repo-commit: {COMMIT}\r\n",
            name.replace(' ', "%20"),
            bytes.len()
        );
        return plain("302 Found", &headers, "");
    }
    if let Some(status) = behaviour.failures.first() {
        state.behaviour.lock().unwrap().failures.remove(0);
        return plain(&format!("{status} Oops"), "", "");
    }
    send(state, stream, bytes, &description, request, &behaviour)
}

fn send(
    state: &State,
    mut stream: TcpStream,
    bytes: &[u8],
    description: &str,
    request: &Request,
    behaviour: &Behaviour,
) -> std::io::Result<()> {
    let range = request.range.as_ref().filter(|_| !behaviour.no_ranges);
    let start = range
        .and_then(|range| range.strip_prefix("bytes=")?.split('-').next()?.parse().ok())
        .unwrap_or(0usize);
    if start > 0 && start >= bytes.len() {
        return write!(stream, "HTTP/1.1 416 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    }
    let mut body = bytes[start..].to_vec();
    if behaviour.corrupt && !body.is_empty() {
        body[0] ^= 1;
    }
    let length = body.len();
    if range.is_some() {
        let (last, all) = (bytes.len() - 1, bytes.len());
        write!(stream, "HTTP/1.1 206 Partial\r\ncontent-range: bytes {start}-{last}/{all}\r\n")?;
    } else {
        write!(stream, "HTTP/1.1 200 OK\r\n")?;
    }
    write!(stream, "content-length: {length}\r\nconnection: close\r\n{description}\r\n")?;
    if let Some(stall) = behaviour.stall_after {
        state.behaviour.lock().unwrap().stall_after = None;
        stream.write_all(&body[..stall])?;
        std::thread::sleep(Duration::from_secs(20));
        return Ok(());
    }
    if let Some(&cut) = behaviour.cut_after.first() {
        state.behaviour.lock().unwrap().cut_after.remove(0);
        return stream.write_all(&body[..cut.min(length)]);
    }
    stream.write_all(&body)
}

fn is_large(name: &str) -> bool {
    name.ends_with(".gguf") || name.ends_with(".safetensors")
}

fn listing(state: &State, behaviour: &Behaviour) -> String {
    let describe = |(name, bytes): (&String, &Vec<u8>)| {
        if behaviour.names_only {
            serde_json::json!({ "rfilename": name })
        } else if is_large(name) {
            let lfs = serde_json::json!({ "sha256": sha256(bytes), "size": bytes.len(), "pointerSize": 130 });
            serde_json::json!({ "rfilename": name, "size": bytes.len(), "blobId": git_blob(b"pointer"), "lfs": lfs })
        } else {
            serde_json::json!({ "rfilename": name, "size": bytes.len(), "blobId": git_blob(bytes) })
        }
    };
    let files: Vec<serde_json::Value> = state.files.iter().map(describe).collect();
    serde_json::json!({ "id": "owner/name", "sha": COMMIT, "siblings": files }).to_string()
}
