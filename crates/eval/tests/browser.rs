//! The page in a real browser, where one is installed: it loads without complaints and without a
//! network, with all its figures.

mod synthetic_evaluation;
mod synthetic_report;

use minference_eval::report::EvaluationReport;
use std::fs::{File, read_to_string};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use synthetic_report::{layers, report};

/// The first Chromium on PATH.
fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let files = std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    files.into_iter().find(|file| file.is_file())
}

/// The page's elements as the browser has them, and what it logged.
fn load(browser: &Path, folder: &Path, page: &Path) -> (String, String) {
    let (elements, log) = (folder.join("elements.html"), folder.join("log.txt"));
    let mut child = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
        ])
        // No way to any network: names lead nowhere, and the proxy is a port without a listener.
        .args([
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--proxy-server=127.0.0.1:9",
            "--proxy-bypass-list=<-loopback>",
        ])
        .args(["--enable-logging=stderr", "--v=0", "--virtual-time-budget=5000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .stdout(File::create(&elements).unwrap())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > Duration::from_secs(120) {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the browser did not end in two minutes; its log:\n{}", read_to_string(&log).unwrap());
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let log = read_to_string(&log).unwrap();
    assert!(status.success(), "the browser ended with {status}; its log:\n{log}");
    (read_to_string(&elements).unwrap(), log)
}

/// What a page says goes to lines that name the console, whatever its level.
fn complaints(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.contains("CONSOLE")).collect()
}

#[test]
fn the_page_loads_in_a_browser_without_a_network() {
    let Some(browser) = chromium() else {
        println!("skipped: no chromium, chromium-browser or google-chrome on PATH");
        return;
    };
    let folder = tempfile::tempdir().unwrap();

    // First that complaints are seen at all.
    let page = folder.path().join("complains.html");
    let complaining = "<!DOCTYPE html><title>x</title><script>console.error('no'); undefined()</script>";
    std::fs::write(&page, complaining).unwrap();
    let (_, log) = load(&browser, folder.path(), &page);
    assert_eq!(complaints(&log).len(), 2, "{log}"); // the message, and the error of the call

    let report = report("a <model> & \"its\" name", 1024, layers(28, 16));
    let page = folder.path().join("report.html");
    report.write(&page, None).unwrap();
    let (elements, log) = load(&browser, folder.path(), &page);
    assert_eq!(complaints(&log), [""; 0], "{log}");
    assert!(elements.contains("<h1>Attention of a &lt;model&gt; &amp; \"its\" name</h1>"));
    for figure in report.figures() {
        assert!(elements.contains(&format!("<figure id=\"{}\">", figure.name)), "{}", figure.name);
    }
    assert_eq!(elements.matches("<svg ").count(), report.figures().len());
    // As many shapes as were written: the browser reads them as SVG, not as unknown elements.
    let cells: usize = report.layers.iter().map(|layer| layer.heads.len()).sum();
    assert!(elements.matches("</title></rect>").count() >= 3 * cells);

    let report = EvaluationReport::new(synthetic_evaluation::runs());
    let page = folder.path().join("evaluation.html");
    report.write(&page, None).unwrap();
    let (elements, log) = load(&browser, folder.path(), &page);
    assert_eq!(complaints(&log), [""; 0], "{log}");
    for figure in report.figures() {
        assert!(elements.contains(&format!("<figure id=\"{}\">", figure.name)), "{}", figure.name);
    }
    assert_eq!(elements.matches("<svg ").count(), report.figures().len());
    assert_eq!(elements.matches("<section ").count(), 5);
}
