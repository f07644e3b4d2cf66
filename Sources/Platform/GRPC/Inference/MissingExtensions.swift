/// Calls of Triton's extensions that this server lacks: refused by name, so that nobody takes the refusal for
/// a spelling mistake. The server's metadata does not list these extensions.
extension GRPCMethods {
    private static let missing = [
        ("shared memory", ["SystemSharedMemoryStatus", "SystemSharedMemoryRegister", "SystemSharedMemoryUnregister"]),
        ("CUDA shared memory", ["CudaSharedMemoryStatus", "CudaSharedMemoryRegister", "CudaSharedMemoryUnregister"]),
        ("trace", ["TraceSetting"]),
        ("logging", ["LogSettings"]),
    ]

    public mutating func addMissingInferenceExtensions() {
        for (name, calls) in Self.missing {
            for call in calls {
                unary(GRPCInferenceWire.path(call)) { _, _ in
                    .now(GRPCReply(.unimplemented, "the \(name) extension is not supported"))
                }
            }
        }
    }
}
