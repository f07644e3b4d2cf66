import Foundation
public import SlipwayCore

/// Finds helm and kubectl: in `PATH`, else in `.tools/bin` of the tree, where `ops/tools.sh` puts them.
public struct ToolFinder: Sendable {
    private let folders: [String]

    /// - Parameters:
    ///   - path: The value of `PATH`.
    ///   - tree: The repository's folder.
    public init(path: String, tree: String) {
        folders = path.split(separator: ":").map(String.init) + ["\(tree)/.tools/bin"]
    }

    /// The absolute path of the program; `nil` when it is nowhere.
    public func find(_ name: String) -> String? {
        folders.map { "\($0)/\(name)" }.first { path in
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && !isFolder.boolValue
                && FileManager.default.isExecutableFile(atPath: path)
        }
    }

    /// - Parameter purpose: As in "is needed to \(purpose)".
    /// - Throws: `failed_precondition` that says where it was looked for and how to get it.
    public func require(_ name: String, to purpose: String) throws(PlatformError) -> String {
        guard let path = find(name) else {
            throw PlatformError(
                .failedPrecondition,
                "'\(name)' is needed to \(purpose), and is neither in PATH nor in .tools/bin of the repository",
                remedy: "bash ops/tools.sh, which puts helm and kubectl into .tools/bin"
            )
        }
        return path
    }
}
