// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Calls that name several things at once
interface IBatches {
    /// @notice The lists of a batch have different lengths.
    error LengthsDiffer();
}
