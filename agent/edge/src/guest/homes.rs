//! Where visitors belong who come to a guest's name without a lease that we know: after a restart, or with an address kept too long.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use overspill_protocol::plan::Home;

/// The homes of the newest plan, found by name.
#[derive(Debug, Default)]
pub(crate) struct Homes {
    /// What these were made of; absent before the first plan.
    source: Option<Arc<Vec<Home>>>,
    /// Canonical scheme and authority by host name in lower case.
    by_name: BTreeMap<String, String>,
}

impl Homes {
    /// The homes of the next plan: the same, unless the plan's are others.
    pub(crate) fn next(last: &Arc<Self>, source: &Arc<Vec<Home>>) -> Arc<Self> {
        if last.source.as_ref().is_some_and(|known| Arc::ptr_eq(known, source)) {
            return Arc::clone(last);
        }
        let by_name = source.iter().map(|home| (home.authority.to_ascii_lowercase(), home.canonical.clone())).collect();
        Arc::new(Self { source: Some(Arc::clone(source)), by_name })
    }

    /// Tells whether there was a plan at all.
    pub(crate) fn are_known(&self) -> bool {
        self.source.is_some()
    }

    /// The canonical scheme and authority of the member that would be a guest under this name.
    pub(crate) fn find(&self, authority: &str) -> Option<&str> {
        self.by_name.get(lower_case(authority).as_ref()).map(String::as_str)
    }
}

/// A host name as tables keep it. Visitors send it so already, almost always.
pub(crate) fn lower_case(authority: &str) -> Cow<'_, str> {
    if authority.bytes().any(|byte| byte.is_ascii_uppercase()) { authority.to_ascii_lowercase().into() } else { authority.into() }
}
