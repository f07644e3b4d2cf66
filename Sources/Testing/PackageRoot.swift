public import Foundation

/// The package's folder, whatever folder the tests run in.
public let packageRoot = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

/// The Python that has the stock clients: `SLIPWAY_PYTHON`, else the one that `make setup` made.
public var conformancePython: String {
    ProcessInfo.processInfo.environment["SLIPWAY_PYTHON"] ?? packageRoot.appending(path: ".venv/bin/python").path
}
