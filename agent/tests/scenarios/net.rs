//! The network: each site in a namespace of its own, with one link to the crossroads where visitors, origins and the firewall are.
//!
//! Site `n` is `10.7.n.2`. What goes from site to site is forwarded, and meets the firewall; what visitors and origins say is not.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use overspill_simulations::world::Faults;

/// Where sites serve visitors.
pub(crate) const PORT: u16 = 8_080;

/// Where a scenario keeps its files.
pub(crate) const FOLDER: &str = "/run/scenario";

/// A network that was made.
#[derive(Debug)]
pub(crate) struct Net {
    sites: usize,
    hosts: PathBuf,
    /// What this kernel cannot do, said once.
    pub(crate) lacks: Option<&'static str>,
}

impl Net {
    /// Makes a namespace and a link for each site.
    pub(crate) fn make(sites: usize) -> Self {
        // Whatever is written here is of this mount namespace, and gone with it.
        sh("mount -t tmpfs tmpfs /run");
        let hosts = PathBuf::from(FOLDER).join("hosts");
        fs::create_dir(FOLDER).unwrap();
        fs::write(&hosts, "").unwrap();
        let mut script =
            format!("ip link set lo up\nmount --bind {} /etc/hosts\necho 1 > /proc/sys/net/ipv4/ip_forward\n", hosts.display());
        for n in 0..sites {
            let _ = writeln!(
                script,
                "ip netns add site{n}\nip link add v{n} type veth peer name eth0 netns site{n}\nip addr add 10.7.{n}.1/24 dev v{n}\n\
                 ip link set v{n} up\nip -n site{n} addr add 10.7.{n}.2/24 dev eth0\nip -n site{n} link set eth0 up\n\
                 ip -n site{n} link set lo up\nip -n site{n} route add default via 10.7.{n}.1"
            );
        }
        sh(&script);
        nft("table inet mesh {
            set dropped { type ipv4_addr . ipv4_addr; }
            set broken { type ipv4_addr . ipv4_addr; }
            chain weather { }
            chain forward {
                type filter hook forward priority 0;
                ip saddr . ip daddr @dropped drop
                ip saddr . ip daddr @broken meta l4proto tcp reject with tcp reset
                jump weather
            }
        }");
        let net = Self { sites, hosts, lacks: None };
        net.name(&[]);
        net
    }

    /// Tells all namespaces the hosts' names: each site's own, and those under which it serves the guests of each of `keys`.
    pub(crate) fn name(&self, keys: &[String]) {
        let mut text = String::from("127.0.0.1 localhost\n");
        for n in 0..self.sites {
            let _ = writeln!(text, "10.7.{n}.2 {} {}", host(n), guest_suffix(n));
            for key in keys {
                let _ = writeln!(text, "10.7.{n}.2 {key}.{}", guest_suffix(n));
            }
        }
        // In place: what is mounted elsewhere is this very file.
        fs::write(&self.hosts, text).unwrap();
    }

    /// One direction between two sites carries nothing, and nobody is told; or it does again.
    pub(crate) fn mute(&self, from: usize, to: usize, mute: bool) {
        Self::put("dropped", from, to, mute);
    }

    /// Connections between two sites are reset, and none are made; or they are again. So a partition that both ends notice looks.
    pub(crate) fn cut(&self, one: usize, other: usize, cut: bool) {
        Self::put("broken", one, other, cut);
        Self::put("broken", other, one, cut);
    }

    fn put(set: &str, from: usize, to: usize, in_it: bool) {
        let verb = if in_it { "add" } else { "delete" };
        let element = format!("element inet mesh {set} {{ 10.7.{from}.2 . 10.7.{to}.2 }}");
        // Once more is as good as once.
        nft(&format!("add {element}\n{verb} {element}"));
    }

    /// Between all sites everything is carried again.
    pub(crate) fn mend(&self) {
        nft("flush set inet mesh dropped\nflush set inet mesh broken\nflush chain inet mesh weather");
    }

    /// Of all that goes between sites so much is lost, and so many packets reset their connections.
    pub(crate) fn weather(&mut self, faults: &Faults) {
        let mut rules = String::from("flush chain inet mesh weather\n");
        for (share, of, verdict) in [(faults.breaks, "meta l4proto tcp", "reject with tcp reset"), (faults.loss, "", "drop")] {
            if share > 0 {
                let _ = writeln!(rules, "add rule inet mesh weather {of} numgen random mod 1000000 < {share} {verdict}");
            }
        }
        nft(&rules);
        if faults.latency_max > 10 {
            let delay = faults.latency_max / 2;
            let slow = |n: usize| {
                let netem = format!("qdisc replace dev v{n} root netem delay {delay}ms {delay}ms");
                Command::new("tc").args(netem.split(' ')).stderr(Stdio::null()).status().is_ok_and(|ran| ran.success())
            };
            if !(0..self.sites).all(slow) {
                self.lacks = Some("latency: this kernel has no netem");
            }
        }
    }
}

/// A site's host, as visitors name it.
pub(crate) fn host(site: usize) -> String {
    format!("site{site}.test")
}

/// What comes after an owner's label in the names of its guests at a site.
pub(crate) fn guest_suffix(site: usize) -> String {
    format!("guests{site}.test")
}

/// A command in a site's namespace.
pub(crate) fn at(site: usize, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &format!("site{site}"), program]);
    command
}

fn sh(script: &str) {
    let ran = Command::new("sh").args(["-ec", script]).output().unwrap();
    assert!(ran.status.success(), "{}\nof\n{script}", String::from_utf8_lossy(&ran.stderr));
}

fn nft(rules: &str) {
    let mut child = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
    let ran = child.wait_with_output().unwrap();
    assert!(ran.status.success(), "{}\nof\n{rules}", String::from_utf8_lossy(&ran.stderr));
}

/// Gives a folder a disk of its own, which can be full.
pub(crate) fn own_disk(folder: &Path, mebibytes: u32) {
    fs::create_dir_all(folder).unwrap();
    sh(&format!("mount -t tmpfs -o size={mebibytes}m tmpfs {}", folder.display()));
}
