import SlipwayCore

extension YAMLSection {
    func duration(_ key: String) throws(PlatformError) -> Duration? {
        guard let text = try text(key) else { return nil }
        guard let duration = DurationText.parse(text), duration > .zero else {
            throw mistake(
                key,
                "must be a duration up to \(DurationText.text(PipelineLimits.durationMax)), not '\(text.prefix(40))'",
                remedy: "write it like 250ms, 3s, 10m or 1h"
            )
        }
        return duration
    }
}
