//! One key, two spellings: a member's [`SiteId`] and libp2p's `PeerId`.

use libp2p::{
    PeerId,
    identity::{Keypair, PublicKey, ed25519},
};
use overspill_governance::site::SiteId;

/// Code of the identity multihash: the peer id *is* the key (libp2p peer-ids specification).
const IDENTITY: u64 = 0;

/// Makes libp2p's key pair from the same 32 secret bytes that [`overspill_governance::site::Key::from_seed`] takes.
#[must_use]
pub fn keypair(seed: &[u8; 32]) -> Keypair {
    match Keypair::ed25519_from_bytes(*seed) {
        Ok(pair) => pair,
        Err(error) => unreachable!("any 32 bytes are an ed25519 seed: {error}"),
    }
}

/// The peer id of a site; `None` when the site's bytes are no point of the curve.
#[must_use]
pub fn peer_of(site: &SiteId) -> Option<PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(&site.0).ok()?;
    Some(PublicKey::from(key).to_peer_id())
}

/// The site of a peer id; `None` for keys of other kinds and for hashed keys, which no agent of ours has.
#[must_use]
pub fn site_of(peer: &PeerId) -> Option<SiteId> {
    let hash = peer.as_ref();
    if hash.code() != IDENTITY {
        return None;
    }
    let key = PublicKey::try_decode_protobuf(hash.digest()).ok()?.try_into_ed25519().ok()?;
    Some(SiteId(key.to_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use overspill_governance::site::Key;

    #[test]
    fn both_libraries_derive_the_same_key() {
        let seed = [7; 32];
        let site = Key::from_seed(seed).site();
        let peer = keypair(&seed).public().to_peer_id();
        assert_eq!(site_of(&peer), Some(site));
        assert_eq!(peer_of(&site), Some(peer));
    }

    #[test]
    fn other_kinds_of_peer_are_no_sites() {
        assert_eq!(site_of(&PeerId::random()), None, "a random peer id carries no key");
        // y = 2 has no x: (y^2 - 1) / (d y^2 + 1) is not a square (RFC 8032 section 5.1.3).
        let mut off_curve = [0; 32];
        off_curve[0] = 2;
        assert_eq!(peer_of(&SiteId(off_curve)), None, "not a point of the curve");
    }
}
