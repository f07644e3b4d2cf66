import SlipwayCore
import SlipwayRelease
import Testing

@Suite("Platform file")
struct PlatformFileTests {
    private static let head = "apiVersion: slipway.dev/v1\nkind: Platform\nmetadata: { name: dev }\n"

    private func parse(_ text: String) throws -> PlatformFile {
        try PlatformFile.parse(text, environment: try EnvironmentName("dev"))
    }

    @Test("The protected aliases are read, in whichever style of YAML", arguments: [
        "spec: { registry: { protectedAliases: [champion, A, B] } }\n",
        "spec:\n  registry:\n    protectedAliases:\n      - champion\n      - B\n      - A\n",
    ])
    func read(spec: String) throws {
        #expect(try parse(Self.head + spec).protectedAliases.map(\.text) == ["A", "B", "champion"])
    }

    @Test("What is left out protects nothing", arguments: [
        "", "spec:\n", "spec: {}\n", "spec: { registry: }\n", "spec: { registry: {} }\n", "spec: { registry: { protectedAliases: } }\n",
        "spec: { registry: { protectedAliases: [] } }\n",
    ])
    func nothing(spec: String) throws {
        #expect(try parse(Self.head + spec) == PlatformFile())
    }

    @Test("Where the engines are is read, and kept beside the aliases")
    func engines() throws {
        let file = try parse(
            Self.head
                + "spec:\n  tracking: { url: \"http://mlflow:5000\" }\n  modelServers: [\"http://triton:8000\", \"http://other:8000\"]\n"
                + "  gateways: [\"https://gateway\"]\n  registry: { protectedAliases: [champion] }\n"
        )
        #expect(file.tracking == "http://mlflow:5000")
        #expect(file.modelServers == ["http://triton:8000", "http://other:8000"])
        #expect(file.gateways == ["https://gateway"])
        #expect(file.protectedAliases.map(\.text) == ["champion"])
        let kept = try JSONValue(encoding: file).decoded(as: PlatformFile.self)
        #expect(kept == file)
    }

    @Test("A file kept before engines were known is still read")
    func keptEarlier() throws {
        let kept = try JSONValue(parsing: #"{"protectedAliases":["A"]}"#).decoded(as: PlatformFile.self)
        #expect(kept == PlatformFile(protectedAliases: [try Alias("A")]))
    }

    @Test("It is kept and read back as JSON")
    func json() throws {
        let file = PlatformFile(protectedAliases: [try Alias("champion"), try Alias("A")])
        #expect(try JSONValue(encoding: file).decoded(as: PlatformFile.self) == file)
    }

    @Test("Where observe looks is read with its labels, and kept")
    func prometheus() throws {
        let file = try parse(
            Self.head
                + "spec:\n  observe:\n    prometheus:\n      url: http://prometheus:9090\n      labels: { namespace: gateway-dev }\n      staleSeconds: 45\n"
        )
        #expect(file.prometheus == PrometheusSource(url: "http://prometheus:9090", labels: ["namespace": "gateway-dev"], staleSeconds: 45))
        #expect(try JSONValue(encoding: file).decoded(as: PlatformFile.self) == file)
        let short = try parse(Self.head + "spec: { observe: { prometheus: { url: \"https://prometheus\" } } }\n")
        #expect(short.prometheus == PrometheusSource(url: "https://prometheus"))
        #expect(short.prometheus?.staleSeconds == 90)
        #expect(try parse(Self.head + "spec: { observe: {} }\n").prometheus == nil)
    }

    private static let refusals: [(text: String, reason: String)] = [
        ("", "is empty"),
        ("kind: Platform\n", ":1: 'apiVersion' must be 'slipway.dev/v1'"),
        ("apiVersion: slipway.dev/v1\nkind: Release\n", ":2: 'kind' must be 'Platform'"),
        ("apiVersion: slipway.dev/v1\nkind: Platform\nmetadata: { name: prod }\n", ":3: 'metadata.name' must be 'dev', as the folder is called"),
        ("apiVersion: slipway.dev/v1\nkind: Platform\n", "'name' must be 'dev'"),
        ("\(head)spce: {}\n", ":4: unknown key 'spce'"),
        ("\(head)spec: 7\n", ":4: 'spec' must be a mapping"),
        ("\(head)spec:\n  tracking: { url: mlflow }\n", ":5: 'spec.tracking.url' has 'mlflow', which is not an address"),
        ("\(head)spec:\n  tracking: { uri: http://a }\n", ":5: unknown key 'uri' under 'spec.tracking'"),
        ("\(head)spec:\n  gateways: [http://user:secret@a]\n", ":5: 'spec.gateways' has '…', which is not an address"),
        ("\(head)spec:\n  observe: { loki: {} }\n", ":5: unknown key 'loki' under 'spec.observe'"),
        ("\(head)spec:\n  observe: { prometheus: {} }\n", "'spec.observe.prometheus.url' has '', which is not an address"),
        ("\(head)spec:\n  observe: { prometheus: { url: http://p, staleSeconds: 0 } }\n", "'spec.observe.prometheus.staleSeconds' must be a whole number from 1 to 3600"),
        ("\(head)spec:\n  observe: { prometheus: { url: http://p, labels: { model: tumor } } }\n", "'spec.observe.prometheus.labels' has 'model: tumor', which no series can have"),
        ("\(head)spec:\n  observe: { prometheus: { url: http://p, labels: { 'a-b': c } } }\n", "has 'a-b: c', which no series can have"),
        ("\(head)spec:\n  registri: {}\n", ":5: unknown key 'registri' under 'spec'"),
        ("\(head)spec:\n  registry:\n    protectedAlias: [A]\n", ":6: unknown key 'protectedAlias' under 'spec.registry'"),
        ("\(head)spec:\n  registry:\n    protectedAliases: champion\n", ":6: 'spec.registry.protectedAliases' must be a list"),
        ("\(head)spec:\n  registry:\n    protectedAliases: [[A]]\n", ":6: 'spec.registry.protectedAliases' must be a list of texts"),
        ("\(head)spec:\n  registry:\n    protectedAliases: [two words]\n", ":6: 'spec.registry.protectedAliases' has 'two words', which is not a valid alias"),
        ("\(head)spec:\n  registry:\n    protectedAliases: [A, B, A]\n", ":6: 'spec.registry.protectedAliases' lists 'A' twice"),
        ("\(head)spec:\n  registry:\n    protectedAliases: [\((0...100).map { "a\($0)" }.joined(separator: ", "))]\n", ":6: 'spec.registry.protectedAliases' lists more than 100"),
    ]

    @Test("A mistake is refused with file, line and reason", arguments: refusals.indices)
    func refused(index: Int) throws {
        let item = Self.refusals[index]
        let error = #expect(throws: PlatformError.self) { try parse(item.text) }
        #expect(error?.code == .invalidArgument)
        let message = error?.message ?? ""
        #expect(message.contains("envs/dev/platform.yaml") && message.contains(item.reason), "\(message)")
    }
}
