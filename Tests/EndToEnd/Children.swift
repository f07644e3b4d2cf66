import Foundation
import SlipwayTesting

@testable import shakedown

/// Runs a body that blocks and starts processes; those that are left at its end are ended, and nobody else's.
func withChildren<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await onThread {
        try Child.$family.withValue(UUID()) {
            defer { Child.endAll() }
            return try body()
        }
    }
}
