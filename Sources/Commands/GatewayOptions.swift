import ArgumentParser
import SlipwayCore
import SlipwayGateway
import SlipwayRouting

/// What a gateway grants each client, and how long it waits for a model server.
struct GatewayOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Requests a second that one client may send in the long run; unlimited if absent.", valueName: "number"))
    var clientRate: Double?
    @Option(help: ArgumentHelp("Requests that one client may send at once, after a pause; as many as '--client-rate' if absent.", valueName: "number"))
    var clientBurst: Double?
    @Option(help: ArgumentHelp("Requests of one client under way; unlimited if absent.", valueName: "number"))
    var clientConcurrency: Int?
    @Option(help: ArgumentHelp("The header that names the client, where something in front sets it; its address does if absent.", valueName: "name"))
    var clientHeader: String?

    /// - Throws: `invalid_argument` for a number that limits nothing or everything.
    func admission() throws(PlatformError) -> ClientAdmission? {
        var limits = ClientGate.Limits()
        if let clientRate {
            guard clientRate > 0, clientRate.isFinite else {
                throw PlatformError(.invalidArgument, "'--client-rate' is \(clientRate)", remedy: "give a number above 0")
            }
            limits.ratePerSecond = clientRate
            limits.burst = max(1, clientBurst ?? clientRate)
        } else if clientBurst != nil {
            throw PlatformError(.invalidArgument, "'--client-burst' needs '--client-rate'", remedy: "give both")
        }
        if let clientConcurrency {
            guard clientConcurrency > 0 else {
                throw PlatformError(.invalidArgument, "'--client-concurrency' is \(clientConcurrency)", remedy: "give a number above 0")
            }
            limits.concurrencyMax = clientConcurrency
        }
        return ClientAdmission(limits: limits, header: clientHeader)
    }
}
