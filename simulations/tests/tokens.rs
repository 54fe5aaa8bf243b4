//! Stories of invites: each token lets one site in, once, in time, as it was written.

use std::time::Duration;

use overspill_protocol::{event::Answer, io::Command};
use overspill_simulations::{
    story::{Story, brisk},
    world::Faults,
};

/// A mesh of one, with `others` sites that belong nowhere yet.
fn alone_with(seed: u64, others: usize) -> Story {
    let mut story = Story::of(seed, 1, Faults::default());
    story.world = overspill_simulations::world::World::new(seed, 1 + others);
    story.found(0, &brisk());
    story
}

#[test]
fn a_used_token_is_refused_in_words() {
    let mut story = alone_with(3, 2);
    let token = story.invite(0).unwrap();
    assert_eq!(story.redeem(1, &token), Ok(Answer::Joined));
    assert_eq!(story.redeem(2, &token), Err(String::from("the invite was used already; ask the sponsor for a new token")));
    assert!(story.redeem(1, &token).unwrap_err().contains("already"));
}

#[test]
fn an_expired_token_is_refused_by_the_joiner_and_by_the_sponsor() {
    let mut story = alone_with(4, 1);
    story.world.command(0, Command::Invite { lifetime: Duration::from_secs(60) });
    let token = match story.world.bodies[0].answers.pop() {
        Some(Ok(Answer::Invited { token })) => token,
        other => panic!("{other:?}"),
    };
    story.pass(61);
    assert!(story.redeem(1, &token).unwrap_err().contains("expired"));
    // A joiner whose clock is slow believes the token; its sponsor does not.
    story.world.bodies[1].clock.offset_ms = -60_000;
    assert!(story.redeem(1, &token).unwrap_err().contains("expired"));
}

#[test]
fn an_altered_token_is_refused() {
    let mut story = alone_with(5, 1);
    let token = story.invite(0).unwrap();
    let at = token.len() / 2;
    let other = if token.as_bytes()[at] == b'a' { "b" } else { "a" };
    let bent = format!("{}{other}{}", &token[..at], &token[at + 1..]);
    let words = story.redeem(1, &bent).unwrap_err();
    assert!(words.contains("token") && story.report(1).unwrap().mesh.is_none(), "{words}");
    assert_eq!(story.redeem(1, &token), Ok(Answer::Joined));
}

#[test]
fn a_token_of_another_mesh_is_refused_by_a_member() {
    let mut story = alone_with(6, 2);
    story.found(1, &brisk());
    let token = story.invite(1).unwrap();
    assert!(story.redeem(0, &token).unwrap_err().contains("leads to mesh"));
}

#[test]
fn a_sponsor_that_is_not_there_is_said_to_be_not_there() {
    let mut story = alone_with(7, 1);
    let token = story.invite(0).unwrap();
    story.world.cut(0, 1, true);
    let words = story.redeem(1, &token).unwrap_err();
    assert!(words.contains("cannot be reached"), "{words}");
    story.world.cut(0, 1, false);
    assert_eq!(story.redeem(1, &token), Ok(Answer::Joined));
}

#[test]
fn a_joiner_whose_host_does_not_publish_its_key_is_refused() {
    let mut story = alone_with(8, 1);
    story.world.bodies[1].mute_host = true;
    let token = story.invite(0).unwrap();
    let words = story.redeem(1, &token).unwrap_err();
    assert!(words.contains("/.well-known/overspill does not publish"), "{words}");
    story.world.bodies[1].mute_host = false;
    assert_eq!(story.redeem(1, &token), Ok(Answer::Joined), "a refused joiner can try again with the same token");
}
