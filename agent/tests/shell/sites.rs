//! Several sites of one agent, as an owner sets them up: tables in the file, checked, shown, reloaded.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use crate::support::{Agent, Origin, PATIENCE, Place};

/// Status and body of `/` at a host.
fn at(agent: &Agent, host: &str) -> (String, String) {
    let mut stream = TcpStream::connect(agent.listen).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().to_owned(), body.to_owned())
}

fn table(name: &str, origin: &Origin) -> String {
    format!("[sites.{name}]\nsite = \"http://{name}.localhost\"\norigin = \"{}\"\n", origin.url())
}

#[test]
fn sites_of_the_file_are_served_by_host_and_reloaded() {
    let (place, blog, shop, wiki) = (Place::new(), Origin::start("the blog"), Origin::start("the shop"), Origin::start("the wiki"));
    let first = format!("origin = \"{}\"\nsite = \"http://blog.localhost\"\n", blog.url());
    let path = place.write("overspill.toml", &format!("{first}{}", table("shop", &shop)));
    let config = path.display().to_string();
    let agent = Agent::run(&place, &["--config".into(), config.clone()]);
    let served = |host| at(&agent, host);
    assert_eq!(served("blog.localhost").1, "this is the blog\n");
    assert_eq!(served("shop.localhost").1, "this is the shop\n");
    assert_eq!(served("wiki.localhost").0, "421");
    let told = place.say(&["status", "--json"]).assert_done().json();
    assert_eq!(told["sites"][0]["name"], "shop");
    assert!(place.say(&["status"]).assert_done().out.contains("site      shop: http://shop.localhost -> http://127.0.0.1:"));

    place.write("overspill.toml", &format!("{first}{}", table("shop", &shop).replace("origin = ", "orgin = ")));
    place.say(&["reload"]).assert_failed(2, "`orgin` is not a setting; write `origin`");
    assert_eq!(served("shop.localhost").1, "this is the shop\n");
    place.write("overspill.toml", &format!("{first}{}", table("wiki", &wiki)));
    place.say(&["reload"]).assert_done();
    assert_eq!(served("wiki.localhost").1, "this is the wiki\n");
    assert_eq!(served("shop.localhost").0, "421", "a site that is gone is nobody's");
}

#[test]
fn sites_are_checked_and_shown() {
    let place = Place::new();
    let text = "site = \"https://blog.example\"\nmicro_cache = \"9s\"\n\n[sites.shop]\nsite = \"https://shop.example\"\norigin = \"http://127.0.0.1:8081\"\n";
    let path = place.write("overspill.toml", text).display().to_string();
    let check = |more: &[&str]| place.say(&[&["config", "check", "--config", &path], more].concat());
    let said = check(&[]);
    assert!(said.assert_done().out.contains("is good: "), "{said:?}");
    assert!(said.out.contains("and 1 further site"), "{said:?}");
    let withheld = |first: &str| {
        check(&["--uplink", "20Mbit/s", "--site", first]).assert_done().out.contains("warning: sites.shop: its files never go")
    };
    assert_eq!([withheld("https://blog.example"), withheld("http://blog.example")], [false, true], "what helpers cannot have is told");
    let shown = place.say(&["config", "show", "--explain", "--config", &path]).assert_done().out.clone();
    let shop = shown.split_once("[sites.shop]\n").unwrap().1;
    assert!(shop.contains("origin = \"http://127.0.0.1:8081\" # ") && shop.contains("overspill.toml:6"), "{shop}");
    assert!(shop.contains("micro_cache = \"9s\" # as above"), "{shop}");
    let again = place.write("again.toml", &place.say(&["config", "show", "--config", &path]).out).display().to_string();
    let json = |path: &str| place.say(&["config", "show", "--json", "--config", path]).assert_done().json()["sites"].clone();
    assert_eq!(json(&path)["shop"]["origin"], "http://127.0.0.1:8081");
    assert_eq!(json(&path), json(&again), "what is shown can be used as a file");
}
