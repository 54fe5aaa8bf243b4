//! The helper's copy of one owner's manifest: what may be served, and until when without another word of the owner.

use alloc::{sync::Arc, vec::Vec};

use overspill_governance::{
    digest::Digest,
    edition::Edition,
    evidence::Pair,
    invite::MeshId,
    planted,
    site::{Signed, SiteId},
    time::{Date, Time},
};

use crate::{
    desk::Desk,
    limits::GENERATION_LIFETIME,
    manifest::{Manifest, edition_of},
    message::Generation,
};

/// One owner's manifest as a helper holds it.
#[derive(Debug, Clone)]
pub(crate) struct Shelf {
    owner: SiteId,
    manifest: Arc<Manifest>,
    signed: Option<Signed<Edition>>,
    double: Option<Pair<Edition>>,
    floor: u64,
    word: Option<Date>,
    until: Time,
}

impl Shelf {
    /// An empty shelf: nothing may be served.
    pub(crate) fn new(owner: SiteId) -> Self {
        Self { owner, manifest: Arc::new(nothing(owner)), signed: None, double: None, floor: 0, word: None, until: Time::ZERO }
    }

    /// Takes a manifest if it is the owner's and newer than what is held.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn on_manifest(&mut self, signed: Signed<Manifest>) -> Result<(), &'static str> {
        if signed.body.owner != self.owner || !signed.body.is_well_formed() {
            return Err("a manifest that breaks its own rules");
        }
        if signed.body.generation < self.manifest.generation || signed.body.generation < self.floor {
            return Ok(());
        }
        if !signed.is_by(&self.owner) && !planted!(BelievesAnyManifest) {
            return Err("a manifest that its owner did not sign");
        }
        let edition = edition_of(&signed);
        match &self.signed {
            Some(held) if held.body == edition.body => Ok(()),
            Some(held) if (held.body.run, held.body.generation) == (edition.body.run, edition.body.generation) => {
                self.double = Some(Pair { one: held.clone(), other: edition });
                Err("two manifests of one generation")
            }
            _ => {
                (self.manifest, self.signed) = (Arc::new(signed.body), Some(edition));
                Ok(())
            }
        }
    }

    /// What convicts the owner of two manifests of one generation, if the last manifest was such.
    pub(crate) fn take_double(&mut self) -> Option<Pair<Edition>> {
        self.double.take()
    }

    /// Takes the owner's word on what is in force: it renews the permission to serve, and bars what was purged.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn on_generation(&mut self, desk: &Desk, signed: &Signed<Generation>) -> Result<(), &'static str> {
        let word = &signed.body;
        if word.owner != self.owner || word.floor > word.newest {
            return Err("a generation that is not the sender's");
        }
        // A copy of an older word must not keep a purged object alive.
        if self.word.is_some_and(|last| word.date <= last) || !desk.now.date.agrees_with(word.date) {
            return Ok(());
        }
        if !signed.is_by(&self.owner) {
            return Err("a generation that its owner did not sign");
        }
        (self.word, self.until) = (Some(word.date), desk.in_(GENERATION_LIFETIME));
        self.floor = self.floor.max(word.floor);
        if self.manifest.generation < self.floor {
            // As before the first manifest: nothing may be served. The next says what of the copies stays; to drop all of them would have
            // them fetched again in mid-crowd.
            (self.manifest, self.signed) = (Arc::new(nothing(self.owner)), None);
        }
        Ok(())
    }

    /// What may be served.
    pub(crate) fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// Until when it may be served without another word.
    pub(crate) fn until(&self) -> Time {
        self.until
    }
}

fn nothing(owner: SiteId) -> Manifest {
    Manifest { mesh: MeshId(Digest::ZERO), owner, run: 0, generation: 0, date: Date::default(), objects: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use overspill_governance::{
        evidence::{Bundle, Verdict},
        site::Key,
        time::Now,
    };

    const DATE: Date = Date::from_millis(1_000_000);

    fn desk() -> Desk {
        Desk::new(Key::from_seed([1; 32]), [2; 32], Now { time: Time::ZERO, date: DATE })
    }

    fn manifest(key: &Key, generation: u64, date: Date) -> Signed<Manifest> {
        Signed::new(Manifest { mesh: MeshId(Digest::ZERO), owner: key.site(), run: 1, generation, date, objects: Vec::new() }, key)
    }

    fn word(key: &Key, newest: u64, floor: u64, date: Date) -> Signed<Generation> {
        Signed::new(Generation { owner: key.site(), newest, floor, manifest: Digest::ZERO, date }, key)
    }

    #[test]
    fn a_purge_empties_the_shelf_until_the_next_manifest() {
        let (desk, owner) = (desk(), Key::from_seed([3; 32]));
        let mut shelf = Shelf::new(owner.site());
        shelf.on_manifest(manifest(&owner, 5, DATE)).unwrap();
        shelf.on_generation(&desk, &word(&owner, 7, 7, DATE)).unwrap();
        assert_eq!((shelf.manifest().generation, shelf.manifest().objects.len()), (0, 0));
        shelf.on_manifest(manifest(&owner, 5, DATE)).unwrap();
        assert_eq!(shelf.manifest().generation, 0, "a purged manifest that comes late is not taken up again");
        shelf.on_manifest(manifest(&owner, 7, DATE)).unwrap();
        assert_eq!(shelf.manifest().generation, 7);
    }

    #[test]
    fn a_replayed_word_renews_nothing() {
        let (mut desk, owner) = (desk(), Key::from_seed([3; 32]));
        let mut shelf = Shelf::new(owner.site());
        let said = word(&owner, 1, 0, DATE);
        shelf.on_generation(&desk, &said).unwrap();
        let until = shelf.until();
        desk.now.time = Time::ZERO.after(GENERATION_LIFETIME);
        shelf.on_generation(&desk, &said).unwrap();
        assert_eq!(shelf.until(), until);
    }

    #[test]
    fn another_signer_and_a_second_list_of_one_generation_are_refused() {
        let (owner, thief) = (Key::from_seed([3; 32]), Key::from_seed([4; 32]));
        let mut shelf = Shelf::new(owner.site());
        let mut forged = manifest(&thief, 9, DATE);
        forged.body.owner = owner.site();
        assert!(shelf.on_manifest(forged).is_err());
        shelf.on_manifest(manifest(&owner, 5, DATE)).unwrap();
        assert_eq!(shelf.on_manifest(manifest(&owner, 5, Date::MAX)), Err("two manifests of one generation"));
        let double = Bundle::DoubleEdition(shelf.take_double().unwrap().into());
        assert!(matches!(double.judge(), Verdict::Convicted(conviction) if conviction.who == owner.site()));
        let mut restarted = manifest(&owner, 5, Date::MAX);
        restarted.body.run = 2;
        shelf.on_manifest(Signed::new(restarted.body, &owner)).unwrap();
        assert_eq!(shelf.take_double(), None, "its calendar was set back");
    }
}
