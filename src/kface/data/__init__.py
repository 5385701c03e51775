"""What a workstation makes data sets of: layouts, protocols, corpora, the synthetic sample, test sets."""
