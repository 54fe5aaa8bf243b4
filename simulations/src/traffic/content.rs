//! Pages and what they load: each page has its HTML and assets, some of which all pages of a site have in common.

use super::zipf::Zipf;
use crate::{dice::Dice, fixed::log_normal};

/// Assets that all pages share: styles, scripts, a logo.
const SHARED: u32 = 6;
/// Most assets of one page beside those.
const OWN_MAX: u64 = 14;
/// How skewed the popularity of pages is, in thousandths: what a log of a small site has.
const ALPHA: u32 = 1_030;

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Bytes of its HTML.
    pub html: u64,
    /// Its assets, by their places among the site's.
    pub assets: Vec<u32>,
}

/// What a site has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Its pages, the most popular first.
    pub pages: Vec<Page>,
    /// Bytes of each asset.
    pub assets: Vec<u64>,
    popularity: Zipf,
}

impl Content {
    /// A site of so many pages, at least one. Sizes are log-normal: pages around 12 kB, assets around 16 kB with a heavy tail.
    pub fn drawn(dice: &mut Dice, pages: usize) -> Self {
        let mut assets: Vec<u64> = (0..SHARED).map(|_| log_normal(dice, 16_000, 1_400)).collect();
        let pages: Vec<Page> = (0..pages.max(1))
            .map(|_| {
                let own = dice.between(0, OWN_MAX);
                let from = assets.len() as u32;
                assets.extend((0..own).map(|_| log_normal(dice, 16_000, 1_400)));
                Page { html: log_normal(dice, 12_000, 800), assets: (0..SHARED).chain(from..from + own as u32).collect() }
            })
            .collect();
        let popularity = Zipf::new(pages.len(), ALPHA);
        Self { pages, assets, popularity }
    }

    /// A page, by how popular each is.
    pub fn page(&self, dice: &mut Dice) -> usize {
        self.popularity.draw(dice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_load_what_is_there_and_share_what_is_common() {
        let content = Content::drawn(&mut Dice::new(1), 60);
        assert_eq!(content.pages.len(), 60);
        for page in &content.pages {
            assert!(
                page.html > 0
                    && page.assets.len() >= SHARED as usize
                    && page.assets.iter().all(|asset| (*asset as usize) < content.assets.len())
            );
        }
        let shared = |asset: &u32| content.pages.iter().filter(|page| page.assets.contains(asset)).count();
        assert_eq!((shared(&0), shared(&SHARED)), (60, 1));
        assert_eq!(Content::drawn(&mut Dice::new(1), 60), content);
        let mut dice = Dice::new(2);
        let first = (0..10_000).filter(|_| content.page(&mut dice) == 0).count();
        assert!((1_800..2_700).contains(&first), "the first of sixty has a fifth: {first}");
    }
}
