import HTTPTypes
import SlipwayCore
import SlipwayGRPC
import SlipwayInference
import SlipwayRouting

/// One variant as requests meet it: everything about it that can be worked out before they come.
final class ServingTarget: Sendable {
    let model: String
    let alias: String
    let version: ModelVersion
    let signature: ModelSignature
    let meter: VariantMeter
    let observation: OutputObservation
    /// `nil`: nothing of this model is mirrored.
    let mirror: ShadowMirror?
    /// Where failed and slow requests are told; `nil`: nowhere.
    let log: RequestLog?
    /// For answers in JSON: the content type and who answered.
    let headers: HTTPFields
    /// For answers with a binary part.
    let binaryHeaders: HTTPFields
    /// Who answered, for gRPC.
    let metadata: [GRPCMetadata]
    /// `{"model":…,"version":…,"variant":…,"outputs":{`
    let answerStart: [UInt8]
    /// The name of each output as `"name":`.
    let outputKeys: [String: [UInt8]]
    /// `{"inputs":[{"name":…,"datatype":…,"shape":[`, when the model has exactly one input.
    let instancesStart: [UInt8]?

    init(
        variant: RoutedVariant,
        generation: Int,
        signature: ModelSignature,
        meter: VariantMeter,
        mirror: ShadowMirror? = nil,
        log: RequestLog? = nil
    ) {
        model = meter.key.model.text
        alias = variant.alias.text
        version = variant.version
        self.signature = signature
        self.meter = meter
        self.mirror = mirror
        self.log = log
        observation = OutputObservation(signature: signature)
        var headers: HTTPFields = [.contentType: "application/json"]
        headers[GatewayHeader.servedModel] = model
        headers[GatewayHeader.servedVariant] = alias
        headers[GatewayHeader.servedVersion] = "\(version)"
        headers[GatewayHeader.generation] = "\(generation)"
        self.headers = headers
        metadata = headers.filter { $0.name != .contentType }.map { GRPCMetadata($0.name.canonicalName, $0.value) }
        headers[.contentType] = "application/octet-stream"
        binaryHeaders = headers
        let names = "{\"model\":\"\(model)\",\"version\":\"\(version)\",\"variant\":\"\(alias)\",\"outputs\":{"
        answerStart = Array(names.utf8)
        outputKeys = Dictionary(
            signature.outputs.map { ($0.name, Self.key($0.name)) },
            uniquingKeysWith: { first, _ in first }
        )
        instancesStart = signature.inputs.count == 1 ? signature.inputs.first.map(Self.instancesStart) : nil
    }

    static func key(_ name: String) -> [UInt8] {
        JSONValue.string(name).canonicalBytes + [UInt8(ascii: ":")]
    }

    private static func instancesStart(of input: TensorSpec) -> [UInt8] {
        Array("{\"inputs\":[{\"name\":".utf8) + JSONValue.string(input.name).canonicalBytes
            + Array(",\"datatype\":\"\(input.type.rawValue)\",\"shape\":[".utf8)
    }
}

/// The routes of one model with their targets, in the same order.
final class ServingModel: Sendable {
    let routes: ModelRoutes
    let targets: [ServingTarget]

    init(routes: ModelRoutes, targets: [ServingTarget]) {
        precondition(routes.variants.count == targets.count)
        self.routes = routes
        self.targets = targets
    }

    var champion: ServingTarget { targets.first { $0.version == routes.champion.version } ?? targets[0] }
}

/// Everything that is routed at one moment. Never changed, only replaced.
final class RouteSnapshot: Sendable {
    let table: RoutingTable
    let models: [String: ServingModel]
    /// The one model, when there is exactly one.
    let only: ServingModel?

    static let empty = RouteSnapshot(table: .empty, models: [:])

    init(table: RoutingTable, models: [String: ServingModel]) {
        self.table = table
        self.models = models
        only = models.count == 1 ? models.first?.value : nil
    }

    var generation: Int { table.generation }
}
