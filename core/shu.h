/* SPDX-License-Identifier: MIT */
/* Everything that programs need: pictures in, the stages, files out. */
#pragma once
#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/progress.h"
#include "formats/bundle_file.h"
#include "base/image.h"
#include "formats/npz.h"
#include "formats/photo.h"
#include "formats/sharpness.h"
#include "stages/model.h"
#include "stages/model_check.h"
#include "stages/stages.h"
#include "tensor/bundle.h"
#include "tensor/foreign.h"
#include "tensor/tensor.h"
#include "weights/import.h"
