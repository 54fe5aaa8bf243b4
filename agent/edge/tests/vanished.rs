//! A peer that vanishes without a word, over a real link: only the options of sockets can find out.

#![allow(clippy::unwrap_used)]

mod common;

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::AsFd as _,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use common::{read_head, until};
use overspill_edge::{Config, Handle, Timeouts, start};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Of the link at the other end.
const ADDRESS: &str = "02:00:5e:00:00:02";

/// Runs one `ip` command; whether it did what it was told.
fn ip(line: &str) -> bool {
    let command = Command::new("ip").args(line.split(' ')).stdout(Stdio::null()).stderr(Stdio::null()).status();
    command.is_ok_and(|status| status.success())
}

/// Another machine at the end of a cable: a network namespace and a pair of virtual links. Both are gone when this is.
struct Machine {
    name: String,
    link: String,
    here: Ipv4Addr,
    there: Ipv4Addr,
}

impl Machine {
    /// Says so and returns nothing where that is not permitted.
    fn new() -> Option<Self> {
        let number = std::process::id();
        // Four addresses for each of many runs at once.
        let [.., third, fourth] = (number << 2).to_be_bytes();
        let (here, there) = (Ipv4Addr::new(10, 211, third, fourth | 1), Ipv4Addr::new(10, 211, third, fourth | 2));
        let machine = Self { name: format!("overspill-{number}"), link: format!("ovs{number}"), here, there };
        let Self { name, link, .. } = &machine;
        let built = ip(&format!("netns add {name}"))
            && ip(&format!("link add {link} type veth peer name there address {ADDRESS} netns {name}"))
            && ip(&format!("addr add {here}/30 dev {link}"))
            && ip(&format!("link set {link} up"))
            // Known for good, or this machine would notice that nobody answers for the address: routers between two networks hide that.
            && ip(&format!("neigh replace {there} lladdr {ADDRESS} nud permanent dev {link}"))
            && ip(&format!("-n {name} addr add {there}/30 dev there"))
            && ip(&format!("-n {name} link set there up"));
        if !built {
            println!("passed over: no network namespaces here (they take root and iproute2)");
        }
        built.then_some(machine)
    }

    /// Does something on it.
    fn run<T: Send + 'static>(&self, what: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
        let space = File::open(format!("/run/netns/{}", self.name)).unwrap();
        thread::spawn(move || {
            // Of this thread alone, and of the sockets that it opens.
            move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            what()
        })
    }

    /// Pulls the cable out at its end: nothing says goodbye.
    fn vanish(&self) {
        assert!(ip(&format!("-n {} link set there down", self.name)));
    }

    /// An origin on it, whose `/long` goes on for ever and whose `/half` stops in the middle, and its address.
    fn origin(&self) -> SocketAddr {
        let address = SocketAddr::from((self.there, 0));
        let listener = self.run(move || TcpListener::bind(address).unwrap()).join().unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(|| serve(stream));
            }
        });
        address
    }

    /// A visitor on it, who asks for something and reads a little of the answer.
    fn visitor(&self, edge: &Handle, path: &'static str) -> TcpStream {
        let address = edge.local_addr();
        let visit = self.run(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: blog.example\r\n\r\n").as_bytes()).unwrap();
            let mut answer = [0; 64];
            assert!(stream.read(&mut answer).unwrap() > 0 && answer.starts_with(b"HTTP/1.1 200"));
            stream
        });
        visit.join().unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        ip(&format!("link del {}", self.link));
        ip(&format!("netns del {}", self.name));
    }
}

fn serve(mut stream: TcpStream) {
    while let Some(head) = read_head(&mut stream) {
        let length = if head.starts_with("GET /short") { 5 } else { 1_000_000_000 };
        let answer = format!("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: {length}\r\n\r\nshort");
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
        while head.starts_with("GET /long") {
            if stream.write_all(&[b'x'; 8_192]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

#[test]
fn who_vanishes_holds_no_connection_for_long() {
    let Some(machine) = Machine::new() else { return };
    let never = Duration::from_secs(3_600);
    let mut config = Config::new(machine.origin().to_string().parse().unwrap());
    config.listen = vec![SocketAddr::from((machine.here, 0))];
    config.threads = 1;
    // What the edge itself would give up: none of it within this test.
    config.timeouts = Timeouts {
        origin_head: never,
        origin_head_unsafe: never,
        origin_idle: never,
        attached: never,
        header_read: never,
        visitor_stall: never,
        ..Timeouts::default()
    };
    config.origin_pool.interval = never;
    (config.sockets.keepalive, config.sockets.user_timeout) = (Duration::from_secs(1), Duration::from_secs(3));
    let edge = start(config, overspill_edge::Clock::new()).unwrap();

    // Something is always on its way to one, one waits for the rest, and one for nothing.
    let visitors = ["/long", "/half", "/short"].map(|path| machine.visitor(&edge, path));
    let mut busy = visitors[0].try_clone().unwrap();
    thread::spawn(move || std::io::copy(&mut busy, &mut std::io::sink()));
    let held = || {
        let metrics = edge.metrics();
        (metrics.connections, metrics.origin_connections_used, metrics.origin_connections_idle)
    };
    until("all of them are held", || held() == (3, 2, 1));
    thread::sleep(Duration::from_secs(5));
    assert_eq!(held(), (3, 2, 1), "who is there stays, however long it says nothing");

    machine.vanish();
    until("nothing is held any more", || held() == (0, 0, 0));
    assert_eq!(edge.metrics().requests_active, 0);
}
