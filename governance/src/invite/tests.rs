use super::{token::*, *};
use crate::limits::TOKEN_TEXT_MAX;
use alloc::{
    string::{String, ToString},
    vec,
};
use core::time::Duration;
use proptest::prelude::*;

const NOON: Date = Date::from_millis(1_795_305_600_000);
const HOUR: Duration = Duration::from_secs(3_600);

fn sponsor() -> Key {
    Key::from_seed([1; 32])
}

fn joiner() -> Key {
    Key::from_seed([2; 32])
}

fn mesh() -> MeshId {
    MeshId(Digest::of("test", b"mesh"))
}

fn token() -> Token {
    Token::issue(&sponsor(), mesh(), vec!["/ip4/127.0.0.1/tcp/7400".into()], NOON.after(HOUR), 3, [9; 32])
}

fn redeemed() -> Redeemed {
    Redeemed::new(&token(), &joiner(), "https://blog.example".into(), vec!["/ip4/127.0.0.1/tcp/7401".into()], NOON)
}

#[test]
fn a_friend_joins_by_one_line_of_text() {
    let text = token().to_text();
    assert!(text.starts_with("overspill1") && text.len() < 600 && !text.contains(char::is_whitespace));
    let token = Token::from_text(&alloc::format!("  {}\n", text.to_uppercase())).unwrap();
    assert_eq!(token.check(NOON, None), Ok(()));
    let redeemed = Redeemed::new(&token, &joiner(), "https://blog.example".into(), vec![], NOON);
    assert_eq!(redeemed.check(NOON), Ok(()));
    let admission = Signed::new(Admission::answering(&redeemed, NOON), &sponsor());
    assert!(admission.is_good());
    assert_eq!((admission.body.member, admission.body.sponsor), (joiner().site(), sponsor().site()));
}

#[test]
fn every_reason_to_refuse_a_token_has_its_own_words() {
    let text = token().to_text();
    let refused = |text: &str| Token::from_text(text).unwrap_err();
    assert_eq!(refused("hello"), TokenError::NotAToken);
    assert_eq!(refused("overspillé"), TokenError::NotAToken);
    assert_eq!(refused(&text.replace("overspill1", "overspill2")), TokenError::OtherVersion);
    assert_eq!(refused(&text[..text.len() - 1]), TokenError::Altered);
    assert_eq!(refused("overspill1"), TokenError::Altered);
    let late = NOON.after(HOUR).after(Duration::from_millis(1));
    assert_eq!(
        token().check(late, None).unwrap_err().to_string(),
        "the token expired on 2026-11-22T01:00:00Z; ask your sponsor for a new one"
    );
    let other = MeshId(Digest::ZERO);
    assert_eq!(token().check(NOON, Some(other)), Err(TokenError::ForeignMesh { leads_to: mesh(), member_of: other }));
}

#[test]
fn a_token_is_read_up_to_its_bound_only() {
    let long = String::from(PREFIX) + &"a".repeat(TOKEN_TEXT_MAX - PREFIX.len());
    assert_eq!(Token::from_text(&long), Err(TokenError::Altered));
    assert_eq!(Token::from_text(&(long + "a")), Err(TokenError::NotAToken));
    let forged = Token::issue(&sponsor(), mesh(), vec![String::from("x").repeat(ADDRESS_BYTES_MAX + 1)], NOON, 1, [9; 32]);
    assert_eq!(Token::from_text(&forged.to_text()), Err(TokenError::Forged), "what breaks a bound was not made by an honest sponsor");
}

#[test]
fn whoever_watches_a_redemption_cannot_steal_it() {
    let watched = redeemed();
    let thief = Key::from_seed([66; 32]);
    let mut stolen = watched.clone();
    stolen.redemption.joiner = thief.site();
    stolen.by_joiner = stolen.redemption.sign(&thief);
    assert_eq!(stolen.check(NOON), Err(RedemptionError::ForgedRedemption));
    let mut other_invite = watched;
    other_invite.invite = Token::issue(&sponsor(), mesh(), vec![], NOON.after(HOUR), 4, [8; 32]).invite();
    assert_eq!(other_invite.check(NOON), Err(RedemptionError::ForgedRedemption));
    let mut same_key = redeemed();
    same_key.invite = Token::issue(&sponsor(), mesh(), vec![], NOON.after(HOUR), 4, [9; 32]).invite();
    assert_eq!(same_key.check(NOON), Err(RedemptionError::ForgedRedemption), "a redemption is for one invite, whatever its key");
    let mut unwilling = redeemed();
    unwilling.by_joiner = unwilling.by_token;
    assert_eq!(unwilling.check(NOON), Err(RedemptionError::ForgedRedemption), "nobody is made to join");
}

#[test]
fn a_redemption_is_refused_with_its_reason() {
    assert_eq!(redeemed().check(NOON.after(2 * HOUR)), Err(RedemptionError::Expired { on: NOON.after(HOUR) }));
    let apart = RedemptionError::ClocksApart { joiner: NOON, sponsor: NOON.after(Duration::from_secs(600)) };
    assert_eq!(redeemed().check(NOON.after(Duration::from_secs(600))), Err(apart));
    let mut forged = redeemed();
    forged.invite.body.expires = Date::MAX;
    assert_eq!(forged.check(NOON), Err(RedemptionError::ForgedInvite));
    for canonical in ["blog.example", "https://", "https://blog.example/path", "https://user@blog.example", "ftp://blog.example"] {
        let redeemed = Redeemed::new(&token(), &joiner(), canonical.into(), vec![], NOON);
        assert_eq!(redeemed.check(NOON), Err(RedemptionError::OutOfBounds), "{canonical}");
    }
    let crowd = vec!["/ip4/127.0.0.1/tcp/1".to_string(); ADDRESSES_MAX + 1];
    assert_eq!(Redeemed::new(&token(), &joiner(), "https://a.example".into(), crowd, NOON).check(NOON), Err(RedemptionError::OutOfBounds));
}

#[test]
fn nobody_admits_itself() {
    let mut admission = Admission::answering(&redeemed(), NOON);
    admission.member = sponsor().site();
    assert!(!Signed::new(admission, &sponsor()).is_good());
}

#[test]
fn a_founding_names_its_mesh_and_keeps_its_bounds() {
    let founding = |name: &str| {
        let (founder, canonical) = (sponsor().site(), "https://a.example".into());
        Founding { name: name.into(), charter: Charter::default(), founder, date: NOON, canonical, addresses: vec![] }
    };
    assert!(Signed::new(founding("Village"), &sponsor()).is_good());
    assert_ne!(founding("Village").mesh(), founding("village").mesh());
    assert!(!Signed::new(founding("Village"), &joiner()).is_good());
    for name in ["", "  ", "a\nb", &String::from("x").repeat(NAME_BYTES_MAX + 1)] {
        assert!(!Signed::new(founding(name), &sponsor()).is_good(), "{name:?}");
    }
    let unlawful = Founding { charter: Charter { version: 0, ..Charter::default() }, ..founding("Village") };
    assert!(!Signed::new(unlawful, &sponsor()).is_good());
}

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";

#[test]
fn every_single_altered_letter_is_noticed() {
    let text = token().to_text().into_bytes();
    for at in PREFIX.len()..text.len() {
        for letter in LETTERS.iter().copied().filter(|letter| *letter != text[at]) {
            let mut altered = text.clone();
            altered[at] = letter;
            assert_eq!(Token::from_text(core::str::from_utf8(&altered).unwrap()), Err(TokenError::Altered));
        }
    }
}

#[test]
fn every_pair_of_swapped_neighbours_is_noticed() {
    let text = token().to_text().into_bytes();
    for at in (PREFIX.len()..text.len() - 1).filter(|at| text[*at] != text[at + 1]) {
        let mut altered = text.clone();
        altered.swap(at, at + 1);
        assert_eq!(Token::from_text(core::str::from_utf8(&altered).unwrap()), Err(TokenError::Altered));
    }
}

proptest! {
    #[test]
    fn foreign_text_never_panics_and_is_never_a_token(text in "(overspill1)?[ -~é]{0,200}") {
        prop_assert!(Token::from_text(&text).is_err());
    }

    #[test]
    fn lost_and_doubled_letters_are_noticed(at in PREFIX.len()..500, doubled: bool) {
        let mut text = token().to_text();
        let at = at.min(text.len() - 1);
        if doubled { text.insert(at, text.as_bytes()[at] as char) } else { text.remove(at); }
        prop_assert!(Token::from_text(&text).is_err());
    }
}
