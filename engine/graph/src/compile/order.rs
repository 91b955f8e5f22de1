//! The order of a scope's stages, dependencies first, and the circles that make it impossible.

use super::session::Session;
use reelmill_spec::{Code, Diagnostic};
use std::collections::HashSet;

impl Session<'_> {
    /// The sites of an area in an order in which each comes after what it waits for; among those that could
    /// come next, the order of the file. Circles are reported, and their stages left out.
    pub fn order(&mut self, area: usize) -> Vec<usize> {
        self.enter(self.layout.areas[area].unit);
        let sites = self.layout.areas[area].sites.clone();
        let mut order = Vec::with_capacity(sites.len());
        let mut done: HashSet<usize> = HashSet::new();
        let mut left = sites;
        while !left.is_empty() {
            let ready = |site: &usize| self.edges[*site].keys().all(|dep| done.contains(dep));
            let Some(at) = left.iter().position(ready) else {
                let circle = self.circle(&left, &done);
                self.report(&circle);
                done.extend(&circle);
                left.retain(|site| !circle.contains(site));
                continue;
            };
            let site = left.remove(at);
            done.insert(site);
            order.push(site);
        }
        order
    }

    /// A circle among sites none of which can come next: each waits for another of them.
    fn circle(&self, left: &[usize], done: &HashSet<usize>) -> Vec<usize> {
        let mut path: Vec<usize> = left.iter().take(1).copied().collect();
        loop {
            let last = path.last().copied().unwrap_or_default();
            let Some(next) = self.edges[last].keys().find(|dep| !done.contains(*dep)) else { return path };
            if let Some(at) = path.iter().position(|site| site == next) {
                return path.split_off(at);
            }
            path.push(*next);
        }
    }

    fn report(&mut self, circle: &[usize]) {
        let name = |site: usize| self.layout.sites[site].stage.name.value.as_str();
        let next = |at: usize| circle[(at + 1) % circle.len()];
        let mut names: Vec<&str> = circle.iter().map(|site| name(*site)).collect();
        names.extend(names.first().copied());
        let message = format!("stages wait for each other: {}", names.join(" → "));
        let edge =
            |at: usize| self.edges[circle[at]].get(&next(at)).map(|edge| edge.span).unwrap_or_default();
        let waits = |at: usize| format!("`{}` waits for `{}`", name(circle[at]), name(next(at)));
        let mut diagnostic = Diagnostic::error(Code::Cycle, edge(0), message).label(waits(0));
        // More places than these would hide the message.
        for at in (1..circle.len()).take(4) {
            diagnostic = diagnostic.related(edge(at), waits(at));
        }
        self.problems.push(diagnostic.help("remove one of these `needs` or references"));
    }
}
