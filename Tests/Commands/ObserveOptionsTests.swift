import ArgumentParser
import SlipwayCore
import SlipwayRelease
import Testing

@testable import SlipwayCommands

@Suite("Where observe looks")
struct ObserveOptionsTests {
    @Test("An option wins over its variable; without either, the platform file is asked")
    func source() throws {
        let none = try ObserveOptions.parse([])
        #expect(try none.source([:]) == nil)
        #expect(try none.source(["SLIPWAY_PROMETHEUS": ""]) == nil)
        #expect(try none.source(["SLIPWAY_PROMETHEUS": "http://other:9090"]) == PrometheusSource(url: "http://other:9090"))
        let given = try ObserveOptions.parse(["--prometheus", "https://prometheus", "--prometheus-label", "namespace=gateway-dev"])
        #expect(
            try given.source(["SLIPWAY_PROMETHEUS": "http://other:9090"])
                == PrometheusSource(url: "https://prometheus", labels: ["namespace": "gateway-dev"])
        )
    }

    @Test("What is no address, no label or a label of nothing is refused, and no password repeated", arguments: [
        ["--prometheus", "prometheus:9090"], ["--prometheus", "http://hunter2@p"], ["--prometheus-label", "a=b"],
        ["--prometheus", "http://p", "--prometheus-label", "a"], ["--prometheus", "http://p", "--prometheus-label", "version=2"],
        ["--prometheus", "http://p", "--prometheus-label", "a="],
    ])
    func refused(arguments: [String]) throws {
        let options = try ObserveOptions.parse(arguments)
        let error = #expect(throws: PlatformError.self) { try options.source([:]) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.description.contains("hunter2") == false)
    }
}
