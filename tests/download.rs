//! Downloads arrive complete and verified whatever the server does, tested against local servers.

use shadegrad::data::{Download, DownloadProgress, RemoteFile};
use shadegrad::error::{Error, Kind};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const NAME: &str = "letters.gz";

/// 200,000 bytes with a long period, so that misplaced parts are detected.
fn content() -> Vec<u8> {
    (0..200_000u32).map(|i| (i % 251) as u8 ^ (i / 251 % 241) as u8).collect()
}

/// The SHA-256 of [`content`], computed independently of this crate.
const SHA256: &str = "fbfb577535b87e910b7aa0901fa2787d6210f4badc7fbb7c136db43d3007cd44";

/// A local server that answers every request by one rule, and records requests.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// `answer` gets the number of the request and the start of the range, if requested.
    fn new(answer: impl Fn(&mut TcpStream, usize, Option<usize>) -> std::io::Result<()> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/", listener.local_addr().expect("bound"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = requests.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                stream.set_read_timeout(Some(Duration::from_secs(5))).expect("not zero");
                stream.set_write_timeout(Some(Duration::from_secs(5))).expect("not zero");
                let head: Vec<String> =
                    BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                let range = head.iter().find_map(|line| {
                    line.to_lowercase().strip_prefix("range: bytes=")?.strip_suffix('-')?.parse().ok()
                });
                let number = log.lock().map(|mut log| (log.push(head.join("\n")), log.len() - 1).1).expect("no panic");
                // The client may close the connection early.
                let _ = answer(&mut stream, number, range);
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> usize {
        self.requests.lock().expect("no panic").len()
    }

    fn request(&self, number: usize) -> String {
        self.requests.lock().expect("no panic")[number].to_lowercase()
    }
}

fn respond(stream: &mut TcpStream, head: &str, body: &[u8]) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {head}\r\nConnection: close\r\n\r\n")?;
    stream.write_all(body)
}

fn respond_whole(stream: &mut TcpStream, body: &[u8]) -> std::io::Result<()> {
    respond(stream, &format!("200 OK\r\nContent-Length: {}", body.len()), body)
}

fn respond_range(stream: &mut TcpStream, body: &[u8], start: usize) -> std::io::Result<()> {
    let (length, last, rest) = (body.len(), body.len() - 1, body.len() - start);
    let head = format!("206 Partial Content\r\nContent-Range: bytes {start}-{last}/{length}\r\nContent-Length: {rest}");
    respond(stream, &head, &body[start..])
}

/// Announces the whole body but sends only a part.
fn respond_cut(stream: &mut TcpStream, body: &[u8], sent: usize) -> std::io::Result<()> {
    respond(stream, &format!("200 OK\r\nContent-Length: {}", body.len()), &body[..sent])
}

fn honest() -> Server {
    Server::new(|stream, _, range| match range {
        Some(start) => respond_range(stream, &content(), start),
        None => respond_whole(stream, &content()),
    })
}

fn failing(status: &'static str) -> Server {
    Server::new(move |stream, _, _| respond(stream, &format!("{status}\r\nContent-Length: 0"), b""))
}

fn download(folder: &Path, servers: &[&Server]) -> Download {
    Download {
        mirrors: servers.iter().map(|server| server.url.clone()).collect(),
        folder: folder.into(),
        files: vec![RemoteFile { name: NAME.into(), bytes: content().len() as u64, sha256: SHA256.into() }],
        attempts: 2,
        pause: Duration::from_millis(5),
        patience: Duration::from_secs(1),
    }
}

fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn part_bytes(folder: &Path) -> u64 {
    std::fs::metadata(folder.join(format!("{NAME}.part"))).expect("there").len()
}

/// Downloads and verifies the file; returns the progress.
#[track_caller]
fn arrives(folder: &Path, servers: &[&Server]) -> Vec<u64> {
    let mut progress = Vec::new();
    let mut watch = |p: DownloadProgress<'_>| {
        assert_eq!((p.file, p.total), (NAME, Some(200_000)));
        progress.push(p.done);
    };
    download(folder, servers).fetch(&mut watch).expect("arrives");
    assert!(std::fs::read(folder.join(NAME)).expect("stored") == content(), "the stored file differs");
    assert!(!folder.join(format!("{NAME}.part")).exists(), "the partial file was not removed");
    progress
}

#[track_caller]
fn fails(folder: &Path, servers: &[&Server], words: &[&str]) -> Error {
    let start = Instant::now();
    let error = download(folder, servers).fetch(&mut |_| {}).expect_err("cannot arrive");
    assert!(start.elapsed() < Duration::from_secs(20), "gave up only after {:?}", start.elapsed());
    assert_eq!((error.kind(), error.exit_code()), (Kind::Io, 7));
    for word in words {
        assert!(error.cause().contains(word), "`{word}` is missing from: {}", error.cause());
    }
    assert!(!error.cause().contains('\n') && !error.advice().contains('\n'), "one line each: {error:?}");
    assert!(!folder.join(NAME).exists(), "an unverified file got the final name");
    error
}

#[test]
fn a_file_arrives_whole_in_a_folder_that_did_not_exist() {
    let (folder, server) = (temporary(), honest());
    let progress = arrives(&folder.path().join("new/cache"), &[&server]);
    assert_eq!((progress.first(), progress.last()), (Some(&0), Some(&200_000)));
    assert!(progress.is_sorted() && progress.len() > 3, "{progress:?}");
    assert_eq!(server.requests(), 1);
}

#[test]
fn cached_files_cost_no_request() {
    let (folder, server) = (temporary(), honest());
    std::fs::write(folder.path().join(NAME), content()).expect("writable");
    assert_eq!(arrives(folder.path(), &[&server]), [0u64; 0]);
    assert_eq!(server.requests(), 0);
    let files = std::fs::read_dir(folder.path()).expect("there").count();
    assert_eq!(files, 1, "a read-only cache must work once it is filled");
}

#[test]
fn a_damaged_cached_file_is_fetched_again() {
    let (folder, server) = (temporary(), honest());
    let mut damaged = content();
    damaged[100_000] ^= 1;
    std::fs::write(folder.path().join(NAME), damaged).expect("writable");
    arrives(folder.path(), &[&server]);
    assert_eq!(server.requests(), 1);
}

#[test]
fn a_cut_connection_is_resumed_where_it_broke() {
    let folder = temporary();
    let server = Server::new(|stream, number, range| match (number, range) {
        (0, _) => respond_cut(stream, &content(), 70_000),
        (_, Some(start)) => respond_range(stream, &content(), start),
        (_, None) => respond(stream, "500 Resume Expected\r\nContent-Length: 0", b""),
    });
    let progress = arrives(folder.path(), &[&server]);
    assert!(progress.is_sorted(), "nothing was fetched twice: {progress:?}");
    assert!(server.request(1).contains("range: bytes=70000-"), "{}", server.request(1));
}

#[test]
fn a_download_of_an_earlier_run_is_resumed_on_the_other_mirror() {
    let folder = temporary();
    let cut = Server::new(|stream, _, range| match range {
        Some(_) => respond(stream, "503 Later\r\nContent-Length: 0", b""),
        None => respond_cut(stream, &content(), 150_000),
    });
    fails(folder.path(), &[&cut], &["status 503"]);
    let server = honest();
    arrives(folder.path(), &[&server]);
    assert!(server.request(0).contains("range: bytes=150000-"), "{}", server.request(0));
}

#[test]
fn a_server_that_ignores_the_range_sends_the_file_from_its_start() {
    let folder = temporary();
    std::fs::write(folder.path().join(format!("{NAME}.part")), &content()[..60_000]).expect("writable");
    let server = Server::new(|stream, _, _| respond_whole(stream, &content()));
    assert_eq!(arrives(folder.path(), &[&server]).first(), Some(&0));
    assert_eq!(server.requests(), 1);
}

#[test]
fn a_range_that_was_not_asked_for_is_not_appended() {
    let folder = temporary();
    std::fs::write(folder.path().join(format!("{NAME}.part")), &content()[..60_000]).expect("writable");
    let server = Server::new(|stream, _, range| match range {
        Some(_) => respond_range(stream, &content(), 1_000),
        None => respond_whole(stream, &content()),
    });
    arrives(folder.path(), &[&server]);
    assert_eq!(server.requests(), 2);
}

#[test]
fn a_wrong_partial_file_is_started_again() {
    let folder = temporary();
    std::fs::write(folder.path().join(format!("{NAME}.part")), vec![7; 60_000]).expect("writable");
    let server = honest();
    let progress = arrives(folder.path(), &[&server]);
    assert_eq!((progress.first(), server.requests()), (Some(&60_000), 2));
    assert!(!server.request(1).contains("range:"), "{}", server.request(1));
}

#[test]
fn a_partial_file_that_is_too_long_is_started_again() {
    let (folder, server) = (temporary(), honest());
    std::fs::write(folder.path().join(format!("{NAME}.part")), vec![7; 300_000]).expect("writable");
    arrives(folder.path(), &[&server]);
    assert_eq!(server.requests(), 1);
}

#[test]
fn wrong_bytes_from_one_mirror_are_replaced_from_the_next() {
    let folder = temporary();
    let wrong = Server::new(|stream, _, _| respond_whole(stream, &vec![1; 200_000]));
    let right = honest();
    arrives(folder.path(), &[&wrong, &right]);
    assert_eq!((wrong.requests(), right.requests()), (1, 1));
    assert!(!right.request(0).contains("range:"), "wrong bytes must not be resumed");
}

#[test]
fn wrong_bytes_everywhere_are_refused() {
    let wrong = Server::new(|stream, _, _| respond_whole(stream, &vec![1; 200_000]));
    let folder = temporary();
    fails(folder.path(), &[&wrong], &["checksum", SHA256, &wrong.url]);
    assert_eq!(part_bytes(folder.path()), 0, "nothing may be resumed");
}

#[test]
fn servers_without_the_file_are_all_named_and_the_way_out_too() {
    let (missing, broken) = (failing("404 Not Found"), failing("500 Internal Server Error"));
    let urls =
        [format!("{}{NAME} answered status 404", missing.url), format!("{}{NAME} answered status 500", broken.url)];
    let error = fails(temporary().path(), &[&missing, &broken], &[&urls[0], &urls[1]]);
    assert!(error.advice().contains("--data DIR") && error.advice().contains(NAME), "{}", error.advice());
    assert_eq!((missing.requests(), broken.requests()), (2, 2), "each is tried as often as asked");
}

#[test]
fn no_server_at_all_is_an_error_that_names_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    drop(listener);
    let silent = Server { url, requests: Arc::default() };
    fails(temporary().path(), &[&silent], &[&silent.url, "failed"]);
}

#[test]
fn a_server_that_falls_silent_is_left() {
    let folder = temporary();
    let silent = Server::new(|stream, _, _| {
        respond_cut(stream, &content(), 1_000)?;
        thread::sleep(Duration::from_secs(4));
        Ok(())
    });
    let right = honest();
    let start = Instant::now();
    arrives(folder.path(), &[&silent, &right]);
    assert!(start.elapsed() < Duration::from_millis(3_500), "waited {:?} for a silent server", start.elapsed());
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = honest();
    let head = format!("302 Found\r\nLocation: {}{NAME}\r\nContent-Length: 0", elsewhere.url);
    let redirecting = Server::new(move |stream, _, _| respond(stream, &head, b""));
    fails(temporary().path(), &[&redirecting], &["status 302"]);
    assert_eq!(elsewhere.requests(), 0);
}

#[test]
fn a_web_page_instead_of_data_is_told() {
    let page = b"<!DOCTYPE html><title>Sign in</title>";
    let portal = Server::new(move |stream, _, _| {
        respond(
            stream,
            &format!("200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}", page.len()),
            page,
        )
    });
    fails(temporary().path(), &[&portal], &["web page", &portal.url]);
    let unlabeled = Server::new(move |stream, _, _| respond(stream, "200 OK", page));
    fails(temporary().path(), &[&unlabeled], &["ended after 37 of 200000 bytes", &unlabeled.url]);
    let short = Server::new(move |stream, _, _| respond_whole(stream, page));
    fails(temporary().path(), &[&short], &["announced 37 bytes, expected 200000", &short.url]);
}

#[test]
fn an_endless_body_is_cut_off() {
    let folder = temporary();
    let endless = Server::new(|stream, _, _| {
        respond(stream, "200 OK", b"")?;
        loop {
            stream.write_all(&[0; 1 << 16])?;
        }
    });
    fails(folder.path(), &[&endless], &["sent more than the 200000 bytes"]);
    assert_eq!(part_bytes(folder.path()), 0, "nothing may be resumed");
}

#[test]
fn a_folder_that_cannot_be_written_is_named_and_asked_no_server() {
    let (folder, server) = (temporary(), honest());
    let file = folder.path().join("file");
    std::fs::write(&file, "not a folder").expect("writable");
    let cache = file.join("cache");
    fails(&cache, &[&server], &["cannot create the folder", &cache.display().to_string()]);
    assert_eq!(server.requests(), 0);
}

#[test]
fn two_downloads_at_once_end_with_one_file() {
    let (folder, server) = (temporary(), honest());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| arrives(folder.path(), &[&server]));
        }
    });
    assert_eq!(server.requests(), 1, "the waiting process must find the file");
}
