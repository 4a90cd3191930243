//! NEW_GROUP_REQUEST: viewers ask a publisher to begin a group (MOQT-19 §10.2.18).

use sluice_proto::model::GroupId;

/// What viewers of a track asked for, and what upstream was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct NewGroup {
    /// The largest that is not passed on yet.
    wanted: Option<GroupId>,
    /// What upstream was asked for, and the largest group then: it is outstanding until there is
    /// a larger one.
    asked: Option<(GroupId, Option<GroupId>)>,
}

impl NewGroup {
    /// A viewer asks for a group: the largest that it knows of and one more, 0 if it knows none.
    pub fn want(&mut self, group: Option<GroupId>) {
        self.wanted = self.wanted.max(group);
    }

    /// Upstream could not be asked for it now.
    pub fn want_again(&mut self, group: Option<GroupId>) {
        if group.is_some() {
            self.asked = None;
            self.want(group);
        }
    }

    /// Upstream is asked for a group by its SUBSCRIBE, when nothing is known of the track yet.
    pub fn ask(&mut self, group: Option<GroupId>) {
        self.asked = group.map(|group| (group, None)).or(self.asked);
    }

    /// A publisher said how far the track is: that is no group which was asked for.
    pub fn begin(&mut self, largest: Option<GroupId>) {
        if let Some((_, then)) = &mut self.asked {
            *then = largest;
        }
    }

    /// What upstream has to be asked for now. With each call what was wanted is dealt with.
    pub fn take(&mut self, is_dynamic: bool, largest: Option<GroupId>) -> Option<GroupId> {
        self.asked.take_if(|(_, then)| largest > *then);
        let wanted = self.wanted.take()?;
        let is_new = wanted == GroupId(0) || Some(wanted) > largest;
        let is_asked = self.asked.is_some_and(|(asked, _)| asked >= wanted);
        if !is_dynamic || !is_new || is_asked {
            return None;
        }
        self.asked = Some((wanted, largest));
        Some(wanted)
    }
}
