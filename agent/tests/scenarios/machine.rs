//! What the machine allows: a run goes on in namespaces of its own, or says why it cannot.

use std::{
    env,
    process::{Command, Stdio},
    sync::Mutex,
    thread,
};

/// Scenarios that are played at once. Each takes a minute and a half, in which it mostly waits.
const AT_ONCE: usize = 5;

/// How often a scenario is played on a machine that does not keep up.
const TRIES_MAX: usize = 3;
/// What a run says whose machine did not.
pub(crate) const TOO_SLOW: &str = "this machine did not keep up";

/// Plays scenarios, each in namespaces of its own.
#[track_caller]
pub(crate) fn play(names: &[&str]) {
    if let Err(reason) = allows() {
        eprintln!("passed over: {reason}");
        return;
    }
    let (left, ran) = (Mutex::new(names.iter()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap().next();
                    let Some(name) = next else { return };
                    let output = play_one(name);
                    ran.lock().unwrap().push((*name, output));
                }
            });
        }
    });
    let mut failed = Vec::new();
    for (name, ran) in ran.into_inner().unwrap() {
        println!("{}", ran.told);
        if ran.too_slow {
            eprintln!("passed over: {name}: {TOO_SLOW}, {TRIES_MAX} times");
        } else if !ran.well {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "not as expected by real agents: {}", failed.join(", "));
}

/// What became of a run.
struct Ran {
    well: bool,
    /// Nothing was broken; what the scenario expects was too much for this machine.
    too_slow: bool,
    told: String,
}

/// Plays one, and again on a machine that does not keep up.
fn play_one(name: &str) -> Ran {
    let mut ran = run(name);
    for _ in 1..TRIES_MAX {
        if !ran.too_slow {
            break;
        }
        ran = run(name);
    }
    ran
}

fn run(name: &str) -> Ran {
    let mut command = enter();
    command.arg(env::current_exe().unwrap()).args(["--exact", "inside", "--nocapture"]);
    let output = command.env(crate::NAME, name).stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let well = output.status.success();
    Ran { well, too_slow: !well && told.contains(TOO_SLOW), told }
}

/// A command in new namespaces, whose processes all end with it.
fn enter() -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "--"]);
    command
}

/// Whether namespaces and firewalls can be made here.
fn allows() -> Result<(), String> {
    let try_out = "ip link set lo up && mount -t tmpfs tmpfs /run && touch /run/hosts && mount --bind /run/hosts /etc/hosts && \
        echo 1 > /proc/sys/net/ipv4/ip_forward && ip netns add try && ip link add v type veth peer name eth0 netns try && \
        ip netns exec try true && nft -f - <<END\n\
        table inet try {\n set s { type ipv4_addr . ipv4_addr; }\n \
        chain c { type filter hook forward priority 0; ip saddr . ip daddr @s meta l4proto tcp reject with tcp reset; }\n \
        chain d { numgen random mod 10 < 1 drop; }\n}\nEND";
    let ran = enter().args(["sh", "-ec", try_out]).output().map_err(|error| format!("there is no unshare: {error}"))?;
    ran.status.success().then_some(()).ok_or_else(|| {
        let said = String::from_utf8_lossy(&ran.stderr).lines().next().unwrap_or("no word").to_owned();
        format!("this machine makes no namespaces with a firewall between them: {said}")
    })
}
