//! Graphs drawn by hand, for tests and benchmarks of what runs graphs. No pipeline text, no plugin.

use crate::graph::{
    Approval, Backoff, BodyKind, CacheMode, Call, Dep, DepKind, Escalate, Expr, FanOut, Graph, ItemFailure,
    Jitter, MinSuccess, Node, NodeKind, OnTimeout, PluginLock, Retry, Scope, ScopeKind, Settings, Timeout,
    Trigger,
};
use indexmap::IndexMap;
use reelmill_model::{Digest, Item, NodeNo, Requirements, ScopeNo};

/// A graph in the making. Nodes are appended to their scope, so a dependency is drawn before its dependents.
#[derive(Clone, Debug)]
pub struct Sketch(Graph);

impl Default for Sketch {
    fn default() -> Self {
        Self::new("sketch")
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn settings() -> Settings {
    Settings {
        priority: 5,
        queue: "default".into(),
        timeout: Timeout::default(),
        retry: Retry {
            max_attempts: 1,
            backoff: Backoff::Constant,
            initial_ms: 0,
            max_ms: 0,
            jitter: Jitter::None,
            on: Vec::new(),
            escalate: Escalate::default(),
        },
        cache: CacheMode::Never,
        allow_failure: false,
        requires: Requirements::default(),
        concurrency: None,
        rate_limit: None,
    }
}

impl Sketch {
    /// A graph with an empty main body.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Graph {
            format: Graph::FORMAT,
            name: name.into(),
            labels: IndexMap::new(),
            inputs: IndexMap::new(),
            vars: IndexMap::new(),
            secrets: Vec::new(),
            unique: None,
            concurrency: None,
            scopes: vec![Scope { kind: ScopeKind::Main, owner: None, nodes: Vec::new() }],
            nodes: Vec::new(),
            outputs: IndexMap::new(),
            output_reads: IndexMap::new(),
        })
    }

    /// Adds `on_failure` or `finally`.
    pub fn part(&mut self, kind: ScopeKind) -> ScopeNo {
        self.0.scopes.push(Scope { kind, owner: None, nodes: Vec::new() });
        ScopeNo(number(self.0.scopes.len() - 1))
    }

    /// Adds a stage that works in a process of its own.
    pub fn work(&mut self, scope: ScopeNo, name: &str) -> NodeNo {
        let plugin = PluginLock {
            plugin: "sketch".into(),
            stage: name.into(),
            version: "1.0.0".into(),
            digest: Digest([0; 32]),
            external: false,
            idempotent: false,
            inline: false,
        };
        self.node(scope, name, NodeKind::Work { plugin, with: IndexMap::new() })
    }

    /// Adds a stage that works inside the worker.
    pub fn inline(&mut self, scope: ScopeNo, name: &str) -> NodeNo {
        let node = self.work(scope, name);
        if let NodeKind::Work { plugin, .. } = &mut self.0.nodes[node.index()].kind {
            plugin.inline = true;
        }
        node
    }

    /// Adds an approval that is rejected when its time is over.
    pub fn approval(&mut self, scope: ScopeNo, name: &str, timeout_ms: Option<u64>) -> NodeNo {
        let on_timeout = OnTimeout::Reject;
        let approval = Approval { roles: Vec::new(), timeout_ms, on_timeout, message: None };
        self.node(scope, name, NodeKind::Approval(approval))
    }

    /// Adds a group, and says its node and its body.
    pub fn group(&mut self, scope: ScopeNo, name: &str) -> (NodeNo, ScopeNo) {
        self.body(scope, name, BodyKind::Group)
    }

    /// Adds another pipeline without inputs, and says its node and its body.
    pub fn pipeline(&mut self, scope: ScopeNo, name: &str) -> (NodeNo, ScopeNo) {
        let call = Call {
            registered: None,
            name: name.into(),
            folder: String::new(),
            inputs: IndexMap::new(),
            vars: IndexMap::new(),
            with: IndexMap::new(),
            line: 0,
        };
        self.body(scope, name, BodyKind::Pipeline(Box::new(call)))
    }

    /// Adds a `for_each` that fails fast and runs all items at once, and says its node and its body.
    pub fn for_each(&mut self, scope: ScopeNo, name: &str) -> (NodeNo, ScopeNo) {
        let items = Expr { source: "[]".into(), line: 0 };
        self.body(scope, name, BodyKind::ForEach { items, key: None })
    }

    /// Adds a `matrix` over a single `uses`, and says its node and the node within.
    pub fn matrix(&mut self, scope: ScopeNo, name: &str, rows: Vec<Item>) -> (NodeNo, NodeNo) {
        let (node, body) = self.body(scope, name, BodyKind::Matrix { rows });
        if let NodeKind::Body { outputs, .. } = &mut self.0.nodes[node.index()].kind {
            *outputs = None;
        }
        let inner = self.work(body, name);
        let path = self.0.nodes[node.index()].path.clone();
        self.0.nodes[inner.index()].path = path;
        (node, inner)
    }

    fn body(&mut self, scope: ScopeNo, name: &str, of: BodyKind) -> (NodeNo, ScopeNo) {
        let body = ScopeNo(number(self.0.scopes.len()));
        let fan_out = FanOut {
            max_parallel: None,
            max_items: 100_000,
            on_item_failure: ItemFailure::FailFast,
            min_success: MinSuccess::Ratio(1.0),
        };
        let outputs = Some(IndexMap::new());
        let kind = NodeKind::Body { scope: body, of, fan_out, outputs, output_reads: IndexMap::new() };
        let node = self.node(scope, name, kind);
        self.0.scopes.push(Scope { kind: ScopeKind::Body, owner: Some(node), nodes: Vec::new() });
        (node, body)
    }

    fn node(&mut self, scope: ScopeNo, name: &str, kind: NodeKind) -> NodeNo {
        let no = NodeNo(number(self.0.nodes.len()));
        let around = self.0.scopes[scope.index()].owner.map(|owner| self.0.node(owner).path.clone());
        let body = &mut self.0.scopes[scope.index()].nodes;
        body.push(no);
        self.0.nodes.push(Node {
            no,
            name: name.into(),
            path: around.map_or_else(|| name.to_owned(), |around| format!("{around}.{name}")),
            scope,
            offset: number(body.len() - 1),
            kind,
            deps: Vec::new(),
            dependents: Vec::new(),
            reads: IndexMap::new(),
            trigger: Trigger::Success,
            condition: None,
            compensate: None,
            settings: settings(),
        });
        no
    }

    /// Adds what undoes a node.
    pub fn compensate(&mut self, node: NodeNo) -> NodeNo {
        let scope = ScopeNo(number(self.0.scopes.len()));
        self.0.scopes.push(Scope { kind: ScopeKind::Compensate, owner: Some(node), nodes: Vec::new() });
        self.0.nodes[node.index()].compensate = Some(scope);
        self.work(scope, "compensate")
    }

    /// Lets a node wait for another of its scope.
    pub fn after(&mut self, node: NodeNo, upstream: NodeNo, kind: DepKind) {
        self.0.nodes[node.index()].deps.push(Dep { node: upstream, kind });
        self.0.nodes[upstream.index()].dependents.push(node);
    }

    /// The nodes of a scope so far.
    #[must_use]
    pub fn nodes_of(&self, scope: ScopeNo) -> Vec<NodeNo> {
        self.0.scopes[scope.index()].nodes.clone()
    }

    /// A node, to be changed.
    pub fn at(&mut self, node: NodeNo) -> &mut Node {
        &mut self.0.nodes[node.index()]
    }

    /// How a node runs and judges its items; only of a node with a body.
    pub fn fan_out(&mut self, node: NodeNo) -> Option<&mut FanOut> {
        match &mut self.0.nodes[node.index()].kind {
            NodeKind::Body { fan_out, .. } => Some(fan_out),
            NodeKind::Work { .. } | NodeKind::Approval(_) => None,
        }
    }

    /// The graph.
    #[must_use]
    pub fn build(self) -> Graph {
        self.0
    }
}
