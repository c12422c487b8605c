//! The words of the status page, in English and Chinese. Codes have their titles in the catalogue; these are all others.

use std::fmt;

/// The language of a page.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Simplified Chinese.
    Chinese,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// The language tag (BCP 47) that pages and links carry.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }

    /// The language of a tag such as `zh-CN`.
    #[must_use]
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', '_', ';']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| primary.eq_ignore_ascii_case(language.tag()))
    }

    /// The first language of an `Accept-Language` header that there is. Browsers list them by weight.
    #[must_use]
    pub fn accepted(header: &str) -> Self {
        header.split(',').find_map(Self::of_tag).unwrap_or_default()
    }

    /// The words of this language.
    #[must_use]
    pub const fn words(self) -> &'static Words {
        match self {
            Self::English => &ENGLISH,
            Self::Chinese => &CHINESE,
        }
    }

    /// Its own name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "中文",
        }
    }

    /// How long ago something was.
    #[must_use]
    pub fn ago(self, seconds: u64) -> String {
        let (number, unit) = match seconds {
            0..60 => (seconds, ["s ago", " 秒前"]),
            60..3600 => (seconds / 60, ["min ago", " 分钟前"]),
            3600..172_800 => (seconds / 3600, ["h ago", " 小时前"]),
            _ => (seconds / 86_400, ["days ago", " 天前"]),
        };
        match self {
            Self::English => format!("{number} {}", unit[0]),
            Self::Chinese => format!("{number}{}", unit[1]),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

macro_rules! words {
    ($($name:ident: $english:literal, $chinese:literal;)*) => {
        /// What a page says around its figures.
        #[derive(Debug)]
        #[expect(missing_docs, reason = "each field is the phrase that it is named after")]
        pub struct Words {
            $(pub $name: &'static str,)*
        }

        const ENGLISH: Words = Words { $($name: $english,)* };
        const CHINESE: Words = Words { $($name: $chinese,)* };
    };
}

words! {
    overview: "Overview", "概览";
    tasks: "Tasks", "任务";
    targets: "Targets", "目标";
    task: "Task", "任务";
    target: "Target", "目标";
    protocol: "Protocol", "协议";
    availability: "Availability", "可用率";
    runs: "Runs", "探测次数";
    failed_runs: "Failed runs", "失败次数";
    failing_now: "Failing now", "当前失败";
    last_code: "Last code", "最近状态码";
    latency: "Latency", "耗时";
    last_run: "Last run", "最近探测";
    top_codes: "Top 5 error codes", "Top 5 错误类型";
    by: "by", "维度";
    of_all: "all together", "全部";
    code: "Code", "状态码";
    count: "Count", "次数";
    share: "Share of failures", "占失败比";
    change: "Against the range before", "环比";
    new_code: "new", "新增";
    no_failures: "No failure in this range.", "该时段没有失败。";
    no_runs: "No run yet.", "尚无探测结果。";
    no_tasks: "No task fits.", "没有符合条件的任务。";
    all_well: "All targets are well.", "所有目标正常。";
    waiting: "waiting for the first run", "等待首次探测";
    find: "Find a task or target", "查找任务或目标";
    only_failing: "only failing ones", "仅显示失败";
    search: "Find", "查找";
    range: "Range", "时间范围";
    last_hour: "1 hour", "1 小时";
    last_day: "24 hours", "24 小时";
    last_week: "7 days", "7 天";
    last_month: "30 days", "30 天";
    previous: "Previous", "上一页";
    next: "Next", "下一页";
    newer: "Newer", "较新";
    older: "Older", "较早";
    phases_over_time: "Phases over time", "各阶段耗时";
    phases_note: "Mean time in each phase, of the runs that ended ok and reached it", "成功的探测在其到达的各阶段的平均耗时";
    nothing_to_draw: "Nothing to draw in this range.", "该时段没有可绘制的数据。";
    codes_over_time: "Codes over time", "状态码时间线";
    codes_note: "Runs in each part of the range, by the code they ended with", "每个时段内按状态码统计的探测次数";
    recent_runs: "Runs", "探测记录";
    failed_only: "failed only", "仅失败";
    all_runs: "all", "全部";
    started: "Started", "开始时间";
    duration: "Duration", "耗时";
    outcome: "Outcome", "结果";
    phase: "Phase", "阶段";
    fault: "Fault", "故障";
    side: "Side", "责任方";
    detail: "Detail", "详情";
    attempt: "Attempt", "尝试";
    remote: "Peer", "对端";
    labels: "Labels", "标签";
    due: "Due", "计划时间";
    late: "Late by", "延迟";
    run: "Run", "探测";
    waterfall: "Waterfall", "瀑布图";
    evidence: "Evidence", "证据";
    meaning: "Meaning", "含义";
    trigger: "Trigger", "触发条件";
    to_do: "What to do", "处理建议";
    replay: "Do it again", "重放";
    warning: "Warning", "警告";
    as_json: "As JSON", "JSON";
    as_table: "As a table", "表格";
    time: "Time", "时间";
    mean: "Mean", "平均";
    ok: "ok", "正常";
    failed: "failed", "失败";
    error: "agent's own error", "探针自身错误";
    skipped: "skipped", "跳过";
    missed: "missed", "错过";
    other_codes: "other codes", "其他状态码";
    updated: "Updated", "更新于";
    unreadable: "The results cannot be read", "无法读取结果";
    not_found: "There is no such page", "没有此页面";
    store_trouble: "The results cannot be stored", "结果无法写入存储";
    reload_refused: "The new configuration was refused, the old one runs on", "新配置被拒绝，继续使用旧配置";
    cut_off: "This agent is cut off: none of the guard's targets answers, and runs are skipped", "本探针网络中断：守护目标均无应答，探测已跳过";
    host: "Host", "主机";
    name: "Name", "名称";
    value: "Value", "值";
    address: "Address", "地址";
    connections: "Connections", "连接";
    step: "Step", "步骤";
    sent: "sent", "发送";
    received: "received", "接收";
    certificate: "Certificate", "证书";
    valid_until: "Valid until", "有效期至";
    issuer: "Issuer", "颁发者";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_says_which_language_it_wants() {
        let rows = [
            ("", Language::English),
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Chinese),
            ("de-DE,de;q=0.9,en;q=0.8,zh;q=0.5", Language::English),
            ("fr", Language::English),
            ("ZH", Language::Chinese),
        ];
        for (header, wanted) in rows {
            assert_eq!(Language::accepted(header), wanted, "{header}");
        }
    }
}
