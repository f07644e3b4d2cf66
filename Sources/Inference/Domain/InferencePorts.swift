public import SlipwayCore

/// An input or output as the graph declares it.
public struct TensorSpec: Sendable, Hashable, Codable {
    public let name: String
    public let type: DataType
    /// -1 is a dimension that any size fits.
    public let shape: [Int]

    public init(name: String, type: DataType, shape: [Int]) {
        self.name = name
        self.type = type
        self.shape = shape
    }
}

/// What a graph takes and gives.
public struct ModelSignature: Sendable, Hashable, Codable {
    public let inputs: [TensorSpec]
    public let outputs: [TensorSpec]

    public init(inputs: [TensorSpec], outputs: [TensorSpec]) {
        self.inputs = inputs
        self.outputs = outputs
    }
}

/// Opens model files. The port to ONNX Runtime.
public protocol ModelRuntime: Sendable {
    /// Reads the graph and makes a session of its own for it; takes seconds for large graphs.
    ///
    /// - Throws: `invalid_argument` with the runtime's reason when the file is no model, `unavailable`
    ///   with a remedy when the runtime's library cannot be opened.
    func open(file: String, options: SessionOptions) throws -> any ModelSession
}

extension ModelRuntime {
    public func open(file: String) throws -> any ModelSession {
        try open(file: file, options: SessionOptions())
    }
}

/// A loaded graph. May be run by several threads at once.
public protocol ModelSession: Sendable {
    var signature: ModelSignature { get }
    /// Runs the graph on this thread.
    ///
    /// - Parameters:
    ///   - inputs: Every input of the signature, once, in any order; checked by the caller.
    ///   - outputs: Names of the outputs wanted, in the order wanted.
    func run(inputs: [Tensor], outputs: [String]) throws -> [Tensor]
    /// Whether a run only computes. One that waits for another process never runs on an event loop.
    var isComputeOnly: Bool { get }
    /// How often a process behind it was started again; `nil`: there is none.
    var restarts: Int? { get }
}

extension ModelSession {
    public var isComputeOnly: Bool { true }
    public var restarts: Int? { nil }
}

/// One `infer` call, free of any wire format.
public struct InferenceRequest: Sendable {
    public var model: String
    /// `nil`: the highest version that is ready.
    public var version: ModelVersion?
    public var id: String?
    public var inputs: [Tensor]
    /// Names of the outputs wanted; empty: all.
    public var outputs: [String]
    /// Output → of how many of its largest elements the client wants the classes instead; see the classification extension.
    public var classes: [String: Int] = [:]
    /// The longest that the request may wait for its run, in microseconds; `nil` or 0: as the model says.
    public var timeoutMicroseconds: Int?
    /// Set when the client is gone; a request that has not begun is then dropped.
    public var cancellation: Cancellation?

    public init(
        model: String,
        version: ModelVersion? = nil,
        id: String? = nil,
        inputs: [Tensor],
        outputs: [String] = []
    ) {
        self.model = model
        self.version = version
        self.id = id
        self.inputs = inputs
        self.outputs = outputs
    }
}

public struct InferenceResponse: Sendable {
    public var model: String
    /// The version that computed it.
    public var version: ModelVersion
    public var id: String?
    public var outputs: [Tensor]

    public init(model: String, version: ModelVersion, id: String? = nil, outputs: [Tensor]) {
        self.model = model
        self.version = version
        self.id = id
        self.outputs = outputs
    }
}

/// Answers `infer`. REST, gRPC and a gateway in the same process all stand on this.
public protocol InferenceDataPlane: Sendable {
    /// Calls `completion` exactly once: at once on this thread when the model is small, else later from
    /// a thread of the server's pool.
    func infer(
        _ request: InferenceRequest,
        completion: @escaping @Sendable (Result<InferenceResponse, PlatformError>) -> Void
    )
    /// The signature of a ready version; `nil` for `version` means the highest that is ready.
    func signature(model: String, version: ModelVersion?) throws(PlatformError) -> ModelSignature
    /// Rows that one request may have; 0 when the first dimension is no batch dimension, or nobody knows.
    func rowsMax(model: String, version: ModelVersion?) -> Int
}

extension InferenceDataPlane {
    public func rowsMax(model: String, version: ModelVersion?) -> Int { 0 }

    public func infer(_ request: InferenceRequest) async throws -> InferenceResponse {
        try await withCheckedThrowingContinuation { continuation in
            infer(request) { continuation.resume(with: $0.mapError { $0 as any Error }) }
        }
    }
}

/// Where models come from that are not in a server's folder yet.
public protocol ModelSource: Sendable {
    /// The names of all that are there.
    func models() async throws -> [String]
    /// Makes a model's folder, a path, hold what is there of it; without anything there, nothing of that stays. What others have
    /// put into the folder does.
    func bring(_ model: String, to folder: String) async throws
}

/// Controls one replica of a model server: the embedded one, or Triton.
///
/// Versions stand beside one another; loading or unloading one never disturbs another. Every call is
/// truthful and may be repeated. Throws ``PlatformError``.
public protocol ModelServer: Sendable {
    /// Where it is, for messages and proofs: `embedded`, or an address.
    var address: String { get }
    /// Puts `files` (path inside the version → file on disk; one is `model.onnx`) into the repository and
    /// loads the version, warm, beside the others. Returns when it is ready to serve.
    func load(_ version: ModelVersion, of model: ModelName, files: [String: String]) async throws
    /// Unloads the version after what is in flight has finished. Not loaded is fine.
    func unload(_ version: ModelVersion, of model: ModelName) async throws
    /// What the server has, whatever its state.
    func index() async throws -> [ServedVersion]
    /// One inference on exactly that version, through the server's own protocol.
    func infer(_ request: InferenceRequest, version: ModelVersion, of model: ModelName) async throws
        -> InferenceResponse
}

/// A version in a model server.
public struct ServedVersion: Sendable, Hashable {
    public enum State: String, Sendable, Hashable, Codable {
        case loading = "LOADING"
        case ready = "READY"
        case unloading = "UNLOADING"
        case unavailable = "UNAVAILABLE"
    }

    public let model: ModelName
    public let version: ModelVersion
    public let state: State
    /// Why it is not ready.
    public let reason: String

    public init(model: ModelName, version: ModelVersion, state: State, reason: String = "") {
        self.model = model
        self.version = version
        self.state = state
        self.reason = reason
    }
}
