//! A real browser before a page that names a helper. Passes over itself where there is no Chromium.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{
    spill::{become_partners, crowd_until_helped},
    support::{Site, between::Between, body_of, get},
};

const PAGE: &str = "/shown/";
const FILES: [&str; 4] = ["/shown/style.css", "/shown/code.js", "/shown/module.js", "/shown/picture.svg"];
/// Page loads after which a browser must have been helped: a page that comes in a moment of room names nobody.
const LOADS: usize = 15;

fn chromium() -> Option<&'static str> {
    let is_there = |name: &&str| Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(is_there);
    if found.is_none() {
        println!("passed over: there is no Chromium on this machine");
    }
    found
}

/// Runs the browser once, as a new visitor, and returns what it printed.
fn browse(program: &str, url: &str, options: &[&str]) -> String {
    let home = TempDir::new().unwrap();
    let profile = format!("--user-data-dir={}", home.path().display());
    let always = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--hide-scrollbars",
        "--window-size=400,300",
        "--host-resolver-rules=MAP *.localhost 127.0.0.1",
        // Until the page's own clock has run so far, and everything that it waits for has come.
        "--virtual-time-budget=3000",
        profile.as_str(),
    ];
    let ran = Command::new(program).args(always).args(options).arg(url).stdin(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

fn picture(program: &str, url: &str, folder: &Path) -> Vec<u8> {
    let file = folder.join("page.png");
    let _ = fs::remove_file(&file);
    browse(program, url, &[&format!("--screenshot={}", file.display())]);
    fs::read(&file).unwrap_or_default()
}

/// What the page must say of itself, whoever gave its files: the script ran, before the one behind it, and so on.
fn is_whole(page: &str) -> bool {
    let words = ["data-code=\"ran\"", "data-order=\"ran\"", "data-module=\"ran\"", "data-picture=\"64\"", "data-style=\"123\""];
    words.iter().all(|word| page.contains(word))
}

#[test]
fn a_browser_shows_the_same_page_and_refuses_a_script_that_was_altered() {
    let Some(program) = chromium() else { return };
    let (mut owner, mut helper) = (Site::new("owner"), Site::new("helper"));
    let between = Between::before(helper.port);
    helper.set("GUEST_SUFFIX", &format!("helper-guests.localhost:{}", between.port));
    become_partners(&mut owner, &mut helper);
    for path in FILES.iter().chain([&PAGE]) {
        assert_eq!(get(&owner.url(path)).unwrap().body, body_of(path));
    }
    let (url, folder) = (owner.url(PAGE), TempDir::new().unwrap());
    let calm = browse(program, &url, &["--dump-dom"]);
    assert!(is_whole(&calm) && !calm.contains("overspill-ticket"), "{calm}");
    let expected = picture(program, &url, folder.path());
    assert!(!expected.is_empty(), "there is a screenshot");
    let heads =
        |file: &str| between.heads().iter().filter(|head| head.contains("Chrome") && head.starts_with(&format!("GET {file}?"))).count();

    let crowd = crowd_until_helped(&owner, 30);
    let helped = (0..LOADS).map(|_| browse(program, &url, &["--dump-dom"])).find(|page| {
        // The owner refuses some while the crowd is there; whom it serves gets everything.
        FILES.iter().filter(|file| page.contains(&format!("{file}?overspill-ticket="))).count() == FILES.len() && is_whole(page)
    });
    let helped = helped.expect("a page whose files all came from the helper");
    assert!(helped.contains(" integrity=\"sha256-") && FILES.iter().all(|file| heads(file) > 0), "{helped}");
    let same = (0..LOADS).any(|_| {
        let before = heads("/shown/picture.svg");
        picture(program, &url, folder.path()) == expected && heads("/shown/picture.svg") > before
    });
    assert!(same, "a page whose picture a helper gave looks the same");
    assert!(!between.heads().iter().any(|head| head.to_ascii_lowercase().contains("\r\ncookie:")), "no cookie ever came to the helper");

    between.lies();
    let restored = (0..LOADS).map(|_| browse(program, &url, &["--dump-dom"])).find(|page| {
        // The address without its host is what the page's own script wrote when the browser had refused the helper's.
        page.contains("src=\"/shown/code.js?overspill-ticket=") && is_whole(page)
    });
    assert!(restored.is_some(), "a script that was altered is refused, and comes from the owner before the next one runs");
    drop(crowd);
}
