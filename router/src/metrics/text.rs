//! Metrics as text: what prometheus-client's encoder needs to be told, said once.

use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabel, EncodeLabelSet, LabelSetEncoder,
    NoLabelSet,
};
use prometheus_client::metrics::MetricType;

use crate::metrics::histogram::Durations;

/// What all names begin with.
const PREFIX: &str = "slipway_router_";

/// A text that is being written.
#[derive(Debug)]
pub(crate) struct Text<'a> {
    encoder: DescriptorEncoder<'a>,
}

/// Names with values, in the order in which they are written.
struct Labels<const N: usize>([(&'static str, String); N]);

impl<const N: usize> EncodeLabelSet for Labels<N> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, value)| (*name, value.as_str()).encode(encoder.encode_label()))
    }
}

impl<'a> Text<'a> {
    pub(crate) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self { encoder }
    }

    /// Writes a counter. The encoder adds `_total` to its name.
    pub(crate) fn counter<const N: usize, V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([(&'static str, String); N], V)>,
    ) -> fmt::Result {
        let name = format!("{PREFIX}{name}");
        let mut metric = self.encoder.encode_descriptor(&name, help, None, MetricType::Counter)?;
        for (labels, value) in values {
            metric.encode_family(&Labels(labels))?.encode_counter::<NoLabelSet, _, f64>(&value, None)?;
        }
        Ok(())
    }

    /// Writes a gauge.
    pub(crate) fn gauge<const N: usize, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([(&'static str, String); N], V)>,
    ) -> fmt::Result {
        let name = format!("{PREFIX}{name}");
        let mut metric = self.encoder.encode_descriptor(&name, help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            metric.encode_family(&Labels(labels))?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// Writes a histogram.
    pub(crate) fn histogram<'d, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([(&'static str, String); N], &'d Durations)>,
    ) -> fmt::Result {
        let name = format!("{PREFIX}{name}");
        let mut metric = self.encoder.encode_descriptor(&name, help, None, MetricType::Histogram)?;
        for (labels, durations) in values {
            let labels = Labels(labels);
            let mut metric = metric.encode_family(&labels)?;
            metric.encode_histogram::<NoLabelSet>(
                durations.seconds(),
                durations.count(),
                &durations.classes,
                None,
            )?;
        }
        Ok(())
    }
}
