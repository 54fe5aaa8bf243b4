//! Who may come in: the founding of a mesh, an invite, its redemption, and the sponsor's countersignature that makes it final.
//!
//! 1. A founder signs a [`Founding`]; the mesh's name is that statement's digest.
//! 2. A sponsor signs an [`Invite`] for a one-time key and hands the secret half to a person, in a [`token::Token`].
//! 3. The joiner signs a [`Redemption`] with its own key *and* with the one-time key ([`Redeemed`]): whoever watches the exchange
//!    learns nothing that another site could redeem.
//! 4. The sponsor checks it against its own ledger, once, and signs the [`Admission`]. Only that makes a member.
//! 5. A member that leaves signs a [`Departure`].

use alloc::{string::String, vec::Vec};
use core::fmt;

use bincode::{Decode, Encode};

use crate::{
    charter::Charter,
    digest::Digest,
    limits::{ADDRESS_BYTES_MAX, ADDRESSES_MAX, CANONICAL_BYTES_MAX, NAME_BYTES_MAX},
    site::{Key, Signature, Signed, SiteId, Statement},
    time::Date,
};

pub mod token;

/// Names a mesh: the digest of its founding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct MeshId(pub Digest);

impl fmt::Display for MeshId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.short())
    }
}

impl fmt::Debug for MeshId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MeshId({})", self.0.short())
    }
}

/// The first statement of a mesh: its rules, and its first member.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Founding {
    /// For people; two meshes may have the same.
    pub name: String,
    /// The rules.
    pub charter: Charter,
    /// The first member. Has no more rights than any other.
    pub founder: SiteId,
    /// When.
    pub date: Date,
    /// The founder's canonical scheme and authority.
    pub canonical: String,
    /// Where the founder's agent is reached.
    pub addresses: Vec<String>,
}

impl Statement for Founding {
    const DOMAIN: &'static str = "overspill founding v1";
}

impl Founding {
    /// The mesh that this statement founds.
    pub fn mesh(&self) -> MeshId {
        MeshId(self.digest())
    }
}

impl Signed<Founding> {
    /// Tells whether the founder signed it and it keeps every bound.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let Founding { name, charter, founder, canonical, addresses, .. } = &self.body;
        is_name(name) && charter.validate().is_ok() && is_canonical(canonical) && are_addresses(addresses) && self.is_by(founder)
    }
}

/// A sponsor's word that whoever holds the secret half of a one-time key may join, once, until a date.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Invite {
    /// Into which mesh.
    pub mesh: MeshId,
    /// Who answers for the joiner.
    pub sponsor: SiteId,
    /// Where the sponsor's agent is reached.
    pub addresses: Vec<String>,
    /// Public half of the one-time key.
    pub key: SiteId,
    /// Not good after this.
    pub expires: Date,
    /// Counts the sponsor's invites.
    pub serial: u64,
}

impl Statement for Invite {
    const DOMAIN: &'static str = "overspill invite v1";
}

impl Signed<Invite> {
    /// Tells whether the sponsor signed it and it keeps every bound. Says nothing of its date, or of its having been used.
    #[must_use]
    pub fn is_good(&self) -> bool {
        are_addresses(&self.body.addresses) && self.is_by(&self.body.sponsor)
    }
}

/// A joiner's wish to use an invite.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Redemption {
    /// Digest of the invite.
    pub invite: Digest,
    /// Whose invite it is.
    pub sponsor: SiteId,
    /// Who wants to join.
    pub joiner: SiteId,
    /// The joiner's canonical scheme and authority.
    pub canonical: String,
    /// Where the joiner's agent is reached.
    pub addresses: Vec<String>,
    /// When.
    pub date: Date,
}

impl Statement for Redemption {
    const DOMAIN: &'static str = "overspill redemption v1";
}

/// A redemption with its two signatures and the invite that it uses: all that a sponsor needs to decide.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Redeemed {
    /// The invite, as the token carried it.
    pub invite: Signed<Invite>,
    /// What is asked for.
    pub redemption: Redemption,
    /// The joiner's: it wants this.
    pub by_joiner: Signature,
    /// The one-time key's: the joiner holds the token.
    pub by_token: Signature,
}

/// Why a redemption is refused. Nothing was changed; the words are for the person who pasted the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedemptionError {
    /// The invite is not signed by the sponsor that it names.
    ForgedInvite,
    /// The redemption is for another invite, or is not signed by the joiner and the one-time key.
    ForgedRedemption,
    /// The invite's date is over.
    Expired {
        /// The invite's last moment.
        on: Date,
    },
    /// The joiner's clock and the sponsor's differ by more than [`crate::time::SKEW_MAX`].
    ClocksApart {
        /// The joiner's clock.
        joiner: Date,
        /// The sponsor's clock.
        sponsor: Date,
    },
    /// The joiner's addresses or canonical authority break a bound.
    OutOfBounds,
}

impl fmt::Display for RedemptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForgedInvite => f.write_str("the invite was not signed by the sponsor that it names; ask the sponsor for a new token"),
            Self::ForgedRedemption => f.write_str("the redemption is not signed by the joiner and the token's key; run the join again"),
            Self::Expired { on } => write!(f, "the invite expired on {on}; ask the sponsor for a new token"),
            Self::ClocksApart { joiner, sponsor } => {
                write!(f, "the joiner's clock says {joiner}, the sponsor's {sponsor}; set the clock that is wrong, then join again")
            }
            Self::OutOfBounds => f.write_str(
                "the joiner's site or addresses are malformed or too long; correct `site` and the mesh addresses, then join again",
            ),
        }
    }
}

impl core::error::Error for RedemptionError {}

impl Redeemed {
    /// Redeems `token` for the site that holds `joiner`.
    pub fn new(token: &token::Token, joiner: &Key, canonical: String, addresses: Vec<String>, date: Date) -> Self {
        let invite = token.invite();
        let (joined, sponsor) = (joiner.site(), invite.body.sponsor);
        let redemption = Redemption { invite: invite.body.digest(), sponsor, joiner: joined, canonical, addresses, date };
        let (by_joiner, by_token) = (redemption.sign(joiner), redemption.sign(&token.key()));
        Self { invite, redemption, by_joiner, by_token }
    }

    /// Checks signatures, bounds and dates, as the sponsor does at `now`. That the invite is its own and unused is for its ledger to say.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self, now: Date) -> Result<(), RedemptionError> {
        let Redemption { invite, sponsor, joiner, canonical, addresses, date } = &self.redemption;
        if !self.invite.is_good() {
            return Err(RedemptionError::ForgedInvite);
        }
        if self.invite.body.expires < now {
            return Err(RedemptionError::Expired { on: self.invite.body.expires });
        }
        if !are_addresses(addresses) || !is_canonical(canonical) {
            return Err(RedemptionError::OutOfBounds);
        }
        let bound = *invite == self.invite.body.digest()
            && *sponsor == self.invite.body.sponsor
            && self.redemption.is_signed_by(joiner, &self.by_joiner)
            && self.redemption.is_signed_by(&self.invite.body.key, &self.by_token);
        if !bound {
            return Err(RedemptionError::ForgedRedemption);
        }
        if !now.agrees_with(*date) {
            return Err(RedemptionError::ClocksApart { joiner: *date, sponsor: now });
        }
        Ok(())
    }
}

/// The sponsor's countersignature: from here on the joiner is a member.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Admission {
    /// Into which mesh.
    pub mesh: MeshId,
    /// Who is admitted.
    pub member: SiteId,
    /// Who answers for it.
    pub sponsor: SiteId,
    /// Digest of the invite that was used. Two admissions on one are evidence against the sponsor.
    pub invite: Digest,
    /// When the member redeemed the invite, by its own calendar.
    pub redeemed: Date,
    /// The member's, under its redemption: nobody is brought in, or named as somebody's, who did not ask for it.
    pub by_joiner: Signature,
    /// The member's canonical scheme and authority.
    pub canonical: String,
    /// Where the member's agent is reached.
    pub addresses: Vec<String>,
    /// When.
    pub date: Date,
}

impl Statement for Admission {
    const DOMAIN: &'static str = "overspill admission v1";
}

impl Admission {
    /// The admission that answers `redeemed`, to be signed by its sponsor after [`Redeemed::check`].
    pub fn answering(redeemed: &Redeemed, date: Date) -> Self {
        let Redemption { invite, joiner, canonical, addresses, date: redeemed_on, .. } = &redeemed.redemption;
        Self {
            mesh: redeemed.invite.body.mesh,
            member: *joiner,
            sponsor: redeemed.invite.body.sponsor,
            invite: *invite,
            redeemed: *redeemed_on,
            by_joiner: redeemed.by_joiner,
            canonical: canonical.clone(),
            addresses: addresses.clone(),
            date,
        }
    }
}

impl Signed<Admission> {
    /// Tells whether sponsor and member signed it and it keeps every bound. Whether that sponsor may is the roster's to say.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let Admission { member, sponsor, invite, redeemed, by_joiner, canonical, addresses, .. } = &self.body;
        let bounded = member != sponsor && is_canonical(canonical) && are_addresses(addresses);
        bounded && self.is_by(sponsor) && {
            let (canonical, addresses) = (canonical.clone(), addresses.clone());
            let (invite, sponsor, joiner, date) = (*invite, *sponsor, *member, *redeemed);
            Redemption { invite, sponsor, joiner, canonical, addresses, date }.is_signed_by(member, by_joiner)
        }
    }
}

/// A member's word that it has left. It is final: coming back takes a new key and a new invite.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Departure {
    /// Out of which mesh.
    pub mesh: MeshId,
    /// Who left.
    pub member: SiteId,
    /// When.
    pub date: Date,
}

impl Statement for Departure {
    const DOMAIN: &'static str = "overspill departure v1";
}

fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control)
}

/// `http://` or `https://` and an authority of visible ASCII without path, user or query (RFC 3986 section 3.2).
fn is_canonical(text: &str) -> bool {
    let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    authority.is_some_and(|authority| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        !authority.is_empty() && text.len() <= CANONICAL_BYTES_MAX && authority.bytes().all(plain)
    })
}

fn are_addresses(addresses: &[String]) -> bool {
    let visible = |text: &String| text.bytes().all(|byte| (0x21..0x7f).contains(&byte));
    addresses.len() <= ADDRESSES_MAX
        && addresses.iter().all(|address| !address.is_empty() && address.len() <= ADDRESS_BYTES_MAX && visible(address))
}

#[cfg(test)]
mod tests;
