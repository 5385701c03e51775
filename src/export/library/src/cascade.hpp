// MTCNN: the cascade of kface.mtcnn.detector for one image.
#pragma once

#include <memory>
#include <vector>

#include "boxes.hpp"
#include "bundle.hpp"
#include "network.hpp"

namespace kface {

/// The cascade's three files, shared by all threads.
struct CascadeFiles {
    explicit CascadeFiles(const Bundle &bundle);
    NetworkFile pnet, rnet, onet;
};

/// Finds faces; for one thread at a time.
class Cascade {
public:
    Cascade(const CascadeFiles &files, const DetectorSettings &settings);

    /// The faces of an image, CV_8UC3 RGB: best score first, then those that only a brightened copy shows. None where a side
    /// is 0 or less than 12 pixels.
    std::vector<kface_face> detect(const cv::Mat &rgb);

private:
    std::vector<kface_face> find(const cv::Mat &rgb);
    Candidates propose(const cv::Mat &rgb);
    Candidates read_level(const cv::Mat &planes, double scale);
    Candidates refine(const cv::Mat &rgb, const Candidates &found);
    std::vector<kface_face> finish(const cv::Mat &rgb, const Candidates &found);
    /// Run a network on crops of all boxes; returns for each output its numbers, `count` times so many.
    std::vector<std::vector<float>> run_crops(ShapeNets &net, const cv::Mat &rgb, const std::vector<Box> &boxes, int size, int most);

    const DetectorSettings &settings_;
    ShapeNets pnet_, rnet_, onet_;
};

/// The scales of the pyramid's levels, the finest first.
std::vector<double> pyramid_scales(int height, int width, double min_face, double factor);

/// A strip of rows of a level, from `first` to before `last`.
struct Strip {
    int first, last;
};

/// Strips of at most so many rows that P-Net maps to the very rows that it maps the complete level to.
std::vector<Strip> level_strips(int height, int rows);

/// A brightened copy of an image, CV_8UC3 RGB.
cv::Mat brightened(const cv::Mat &rgb, Brighten way);

/// The face with the largest box; nullptr where there is none.
const kface_face *largest(const std::vector<kface_face> &faces);

}  // namespace kface
