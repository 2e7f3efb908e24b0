//! Where stretches lie. "0.1" that became "0.2 0.1" got "0.2 ", "2 0." or ".2 0", and a comparison may find two pieces of it apart: what came or went
//! in one piece is found as one, and begins behind a space where it can, so that nobody else's words come between its halves.

use super::{Span, Stretch, Words};
use crate::limits::TEXT_SLIDE;
use alloc::vec::Vec;

/// The same difference in as few stretches as sliding makes of them.
pub(super) fn together(found: Vec<Stretch>, old: &Words<'_>, new: &Words<'_>) -> Vec<Stretch> {
    let texts = Texts { old, new };
    let mut all: Vec<Stretch> = Vec::new();
    for mut next in found {
        while let Some(last) = all.last()
            && let Some(both) = texts.joined(*last, next)
        {
            all.pop();
            next = both;
        }
        all.push(next);
    }
    for place in 0..all.len() {
        let before = place.checked_sub(1).map_or(Room::ALL, |last| Room::behind(all[last]));
        let room = all.get(place + 1).map_or(before, |next| before.and_before(*next));
        all[place] = texts.aligned(all[place], room);
    }
    all
}

/// How far a stretch may slide: a word stays between it and its neighbours.
#[derive(Clone, Copy)]
struct Room {
    least: Option<Stretch>,
    most: Option<Stretch>,
}

impl Room {
    const ALL: Self = Self { least: None, most: None };

    fn behind(least: Stretch) -> Self {
        Self { least: Some(least), most: None }
    }

    fn and_before(self, next: Stretch) -> Self {
        Self { most: Some(next), ..self }
    }

    fn has(&self, stretch: Stretch) -> bool {
        self.least.is_none_or(|least| stretch.old.0 > least.old.1 && stretch.new.0 > least.new.1)
            && self.most.is_none_or(|most| stretch.old.1 < most.old.0 && stretch.new.1 < most.new.0)
    }
}

#[derive(Clone, Copy)]
struct Texts<'a> {
    old: &'a Words<'a>,
    new: &'a Words<'a>,
}

impl<'a> Texts<'a> {
    /// What came, or went, alone: its text and its span there.
    fn alone(&self, stretch: Stretch) -> Option<(&'a Words<'a>, Span)> {
        match (stretch.old.0 == stretch.old.1, stretch.new.0 == stretch.new.1) {
            (true, false) => Some((self.new, stretch.new)),
            (false, true) => Some((self.old, stretch.old)),
            _ => None,
        }
    }

    /// The same a word earlier, if that is the same difference.
    fn earlier(&self, stretch: Stretch) -> Option<Stretch> {
        let (text, (from, to)) = self.alone(stretch)?;
        let back = |(from, to): Span| Some((from.checked_sub(1)?, to.checked_sub(1)?));
        let slid = Stretch { old: back(stretch.old)?, new: back(stretch.new)? };
        (text.word(from - 1) == text.word(to - 1)).then_some(slid)
    }

    /// The same a word later, if that is the same difference.
    fn later(&self, stretch: Stretch) -> Option<Stretch> {
        let (text, (from, to)) = self.alone(stretch)?;
        let on = |(from, to): Span| (from + 1, to + 1);
        let is_there = stretch.old.1 < self.old.len() && stretch.new.1 < self.new.len();
        let alike = is_there && text.word(from) == text.word(to);
        alike.then(|| Stretch { old: on(stretch.old), new: on(stretch.new) })
    }

    /// Two as one, where one slides as far as the other.
    fn joined(&self, first: Stretch, second: Stretch) -> Option<Stretch> {
        let slides = |from: Stretch, slide: fn(&Self, Stretch) -> Option<Stretch>| {
            core::iter::successors(Some(from), move |at| slide(self, *at)).take(TEXT_SLIDE)
        };
        let touch = |first: Stretch, second: Stretch| first.old.1 == second.old.0 && first.new.1 == second.new.0;
        let back = slides(second, Self::earlier).take_while(|at| at.old.0 >= first.old.1 && at.new.0 >= first.new.1);
        let on = slides(first, Self::later).take_while(|at| at.old.1 <= second.old.0 && at.new.1 <= second.new.0);
        let found = back.map(|second| (first, second)).chain(on.map(|first| (first, second)));
        let (first, second) = { found }.find(|(first, second)| touch(*first, *second))?;
        Some(Stretch { old: (first.old.0, second.old.1), new: (first.new.0, second.new.1) })
    }

    /// Behind a space or at the beginning, if it can slide there, as late as it can.
    fn aligned(&self, stretch: Stretch, room: Room) -> Stretch {
        let Some((text, _)) = self.alone(stretch) else { return stretch };
        let begins_well = |at: &Stretch| {
            let from = if at.new.0 == at.new.1 { at.old.0 } else { at.new.0 };
            from.checked_sub(1).is_none_or(|before| text.word(before).iter().all(|one| one.is_whitespace()))
        };
        let fits = |at: &Stretch| room.has(*at);
        let on = core::iter::successors(Some(stretch), |at| self.later(*at).filter(fits)).take(TEXT_SLIDE);
        let latest = on.last().unwrap_or(stretch);
        let back = core::iter::successors(Some(latest), |at| self.earlier(*at).filter(fits)).take(TEXT_SLIDE);
        { back }.find(begins_well).unwrap_or(latest)
    }
}
