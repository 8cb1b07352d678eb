//! Downloads into a cache folder: several mirrors, resumable, and verified.

use crate::data::DownloadProgress;
use crate::error::{Error, Kind, Result};
use etcetera::{BaseStrategy, choose_base_strategy};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::http::Response;
use ureq::{Agent, Body};

const MIRRORS: [&str; 2] =
    ["https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/"];

/// Name, length and SHA-256 of MNIST's files on the mirrors.
const MNIST: [(&str, u64, &str); 4] = [
    ("train-images-idx3-ubyte.gz", 9_719_438, "0b367032e93c5d0cea0925647cfdb18614af8ee15f83e6f2fc2ad904a6835971"),
    ("train-labels-idx1-ubyte.gz", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    ("t10k-images-idx3-ubyte.gz", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    ("t10k-labels-idx1-ubyte.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
];

/// Time limit of a body in multiples of [`Download::patience`], against servers that trickle.
const SLOWEST: u32 = 60;

/// Bytes read, written and reported at a time.
const CHUNK: usize = 1 << 16;

/// A file to download, with its checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// Name, on the mirrors and in the folder.
    pub name: String,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of the content, in lowercase hexadecimal.
    pub sha256: String,
}

/// Files to download, with source and destination.
#[derive(Clone, Debug)]
pub struct Download {
    /// Base URLs that file names are appended to, tried in order.
    pub mirrors: Vec<String>,
    /// Destination folder, created if missing.
    pub folder: PathBuf,
    /// The files.
    pub files: Vec<RemoteFile>,
    /// Number of passes over the mirrors before giving up on a file.
    pub attempts: u32,
    /// Pause before the second attempt; doubles for each one after.
    pub pause: Duration,
    /// Maximum time a server may stay silent.
    pub patience: Duration,
}

/// The cache folder: `shadegrad` in the platform's cache folder, if known.
pub fn cache_folder() -> Option<PathBuf> {
    choose_base_strategy().ok().map(|strategy| strategy.cache_dir().join("shadegrad"))
}

impl Download {
    /// MNIST, into `shadegrad/mnist` in the platform's cache folder.
    pub fn mnist() -> Result<Self> {
        let cache = cache_folder().ok_or_else(|| {
            let cause = "cannot determine the cache folder";
            Error::new(Kind::Io, cause, "put the four MNIST files into a folder and use `--data DIR`")
        })?;
        let file =
            |(name, bytes, sha256): (&str, u64, &str)| RemoteFile { name: name.into(), bytes, sha256: sha256.into() };
        Ok(Self {
            mirrors: MIRRORS.map(String::from).into(),
            folder: cache.join("mnist"),
            files: MNIST.map(file).into(),
            attempts: 3,
            pause: Duration::from_secs(1),
            patience: Duration::from_secs(20),
        })
    }

    /// Ensures that every file is in the folder and complete. Existing complete files need no request.
    pub fn fetch(&self, watch: &mut dyn FnMut(DownloadProgress<'_>)) -> Result<()> {
        if self.files.iter().all(|file| self.is_cached(file)) {
            return Ok(());
        }
        fs::create_dir_all(&self.folder).map_err(|e| Error::io("create the folder", &self.folder, &e))?;
        let path = self.folder.join(".lock");
        let lock = File::create(&path).map_err(|e| Error::io("create", &path, &e))?;
        // Two processes must not write to one partial file. On file systems without locks they might, and then the
        // checksum fails.
        let _ = lock.lock();
        let agent = self.agent();
        self.files.iter().filter(|file| !self.is_cached(file)).try_for_each(|file| self.fetch_file(&agent, file, watch))
    }

    fn is_cached(&self, file: &RemoteFile) -> bool {
        let path = self.folder.join(&file.name);
        let whole = |stored: fs::Metadata| stored.is_file() && stored.len() == file.bytes;
        fs::metadata(&path).is_ok_and(whole) && sha256(&path).is_ok_and(|found| found == file.sha256)
    }

    fn agent(&self) -> Agent {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("shadegrad/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .timeout_connect(Some(self.patience))
            .timeout_recv_response(Some(self.patience))
            .timeout_per_read(Some(self.patience))
            .timeout_recv_body(Some(self.patience * SLOWEST));
        // A proxy cannot reach local servers.
        if self.mirrors.iter().all(|mirror| mirror.starts_with("http://127.0.0.1")) {
            config = config.proxy(None);
        }
        config.build().new_agent()
    }

    fn fetch_file(&self, agent: &Agent, file: &RemoteFile, watch: &mut dyn FnMut(DownloadProgress<'_>)) -> Result<()> {
        let mut failures = Vec::new();
        for attempt in 0..self.attempts {
            if attempt > 0 {
                std::thread::sleep(self.pause * (1 << (attempt - 1).min(8)));
            }
            failures.clear();
            for mirror in &self.mirrors {
                let url = format!("{mirror}{}", file.name);
                match self.try_once(agent, &url, file, watch) {
                    Ok(()) => return Ok(()),
                    Err(DownloadFailure::Here(error)) => return Err(error),
                    Err(DownloadFailure::Server(why)) => failures.push(format!("{url} {why}")),
                }
            }
        }
        let names = self.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>().join(", ");
        Err(Error::new(
            Kind::Io,
            format!("cannot download {} in {} attempts: {}", file.name, self.attempts, failures.join("; ")),
            format!("check the connection, or put these files into a folder and use `--data DIR`: {names}"),
        ))
    }

    /// A request to one mirror. Received data are kept in `NAME.part`, renamed to `NAME` once verified.
    fn try_once(
        &self,
        agent: &Agent,
        url: &str,
        file: &RemoteFile,
        watch: &mut dyn FnMut(DownloadProgress<'_>),
    ) -> Result<(), DownloadFailure> {
        let mut part = Part::open(self.folder.join(format!("{}.part", file.name)), file.bytes)?;
        let mut request = agent.get(url);
        if part.length > 0 {
            request = request.header("Range", format!("bytes={}-", part.length));
        }
        let response = request.call().map_err(|error| format!("failed: {error}"))?;
        let start = start_of_body(&response, &mut part, file)?;
        part.keep(start)?;
        part.receive(response.into_body(), file, watch)?;

        let found = sha256(&part.path).map_err(|e| Error::io("read", &part.path, &e))?;
        if found != file.sha256 {
            part.keep(0)?;
            return Err(
                format!("sent data with a wrong checksum: expected SHA-256 {}, found {found}", file.sha256).into()
            );
        }
        Ok(part.publish(&self.folder.join(&file.name))?)
    }
}

/// Offset of `response`'s body in the file, if it is what was requested.
fn start_of_body(response: &Response<Body>, part: &mut Part, file: &RemoteFile) -> Result<u64, DownloadFailure> {
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let start = match response.status().as_u16() {
        200 => 0,
        206 if part.length > 0 && header("content-range").starts_with(&format!("bytes {}-", part.length)) => {
            part.length
        }
        status @ (206 | 416) => {
            part.keep(0)?;
            return Err(format!("answered status {status} with a range that was not requested").into());
        }
        status => return Err(format!("answered status {status}").into()),
    };
    if header("content-type").starts_with("text/html") {
        return Err("answered with a web page instead of data".to_string().into());
    }
    match response.body().content_length() {
        Some(length) if length != file.bytes - start => {
            Err(format!("announced {length} bytes, expected {}", file.bytes - start).into())
        }
        _ => Ok(start),
    }
}

/// Why an attempt failed: the server, so that another mirror may succeed, or this machine, so that none can.
enum DownloadFailure {
    Server(String),
    Here(Error),
}

impl From<String> for DownloadFailure {
    fn from(why: String) -> Self {
        DownloadFailure::Server(why)
    }
}

impl From<Error> for DownloadFailure {
    fn from(error: Error) -> Self {
        DownloadFailure::Here(error)
    }
}

/// The part of a file received so far.
struct Part {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Part {
    /// Opens the result of an earlier attempt, if it can be resumed to `bytes` bytes.
    fn open(path: PathBuf, bytes: u64) -> Result<Self> {
        let failed = |e: io::Error| Error::io("open", &path, &e);
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let mut part = Self { path, file, length };
        if length >= bytes {
            part.keep(0)?;
        }
        Ok(part)
    }

    /// Truncates to the first `length` bytes.
    fn keep(&mut self, length: u64) -> Result<()> {
        let outcome = self.file.set_len(length).and_then(|()| self.file.seek(SeekFrom::Start(length)));
        self.length = outcome.map_err(|e| Error::io("write", &self.path, &e))?;
        Ok(())
    }

    /// Appends the body until the file is complete.
    fn receive(
        &mut self,
        body: Body,
        file: &RemoteFile,
        watch: &mut dyn FnMut(DownloadProgress<'_>),
    ) -> Result<(), DownloadFailure> {
        let announced = body.content_length().is_some();
        // Reading one byte more than expected detects a body that is too long.
        let mut body = body.into_reader().take(file.bytes - self.length + 1);
        let mut chunk = vec![0; CHUNK];
        let mut end = Ok(());
        loop {
            watch(DownloadProgress { file: &file.name, done: self.length.min(file.bytes), total: Some(file.bytes) });
            let count = match body.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => {
                    end = Err(error);
                    break;
                }
            };
            self.file.write_all(&chunk[..count]).map_err(|e| Error::io("write", &self.path, &e))?;
            self.length += count as u64;
        }
        if self.length == file.bytes {
            return Ok(());
        }
        let why = match (self.length > file.bytes, end) {
            (true, _) => format!("sent more than the {} bytes expected", file.bytes),
            (false, Err(error)) => format!("was cut off after {} of {} bytes: {error}", self.length, file.bytes),
            (false, Ok(())) => format!("ended after {} of {} bytes", self.length, file.bytes),
        };
        // Only data from a server that announced the right length can be resumed.
        if self.length > file.bytes || !announced {
            self.keep(0)?;
        }
        Err(why.into())
    }

    /// Renames the verified file atomically, so that a partial file never has that name.
    fn publish(self, target: &Path) -> Result<()> {
        self.file.sync_all().map_err(|e| Error::io("write", &self.path, &e))?;
        // Some systems do not rename open files.
        drop(self.file);
        fs::rename(&self.path, target).map_err(|e| Error::io("rename to", target, &e))
    }
}

fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let (mut hash, mut chunk) = (Sha256::new(), vec![0; CHUNK]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => hash.update(&chunk[..count]),
        }
    }
}
