// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice What imbalances of a delivery period cost, in 0.0001 yuan/kWh, and the region's own, in Wh: positive where
/// more was fed in, or less drawn, than traded. It was made from what `referenceWh` of traded energy were worth, or from the
/// fallback price where that is 0.
struct ImbalancePrice {
    uint24 period;
    uint16 priceTicks;
    int64 regionWh;
    uint64 referenceWh;
}

/// @title Balancing of the region: what masters tell the dispatcher and the settlement agent, and what follows
/// @notice A master is the balance responsible party of its users. Before delivery it submits what they will feed in and
/// draw, to the dispatcher; after it what they did, to the settlement agent. Both are sums, sealed to their
/// reader and to the regulator: here lie envelopes. The settlement agent publishes in plain what follows for
/// everybody, the price of imbalances.
interface IBalancing {
    /// @notice A master named the public key that others seal to.
    event EncryptionKeyRegistered(uint16 indexed masterId, bytes key);
    /// @notice A master submitted a sealed record; `index` counts the records of all masters from 0.
    event Submitted(uint16 indexed masterId, uint8 indexed kind, uint64 index, address author, bytes content);
    /// @notice The settlement agent published the imbalance price of a delivery period, as it follows from what the main
    /// chain held up to block `asOfBlock`. Of several for a period the newest counts.
    event ImbalancePricePublished(
        uint24 indexed period, uint16 priceTicks, int64 regionWh, uint64 referenceWh, uint64 asOfBlock
    );

    /// @notice An empty key seals nothing.
    error KeyMissing();
    /// @notice Only the settlement agent publishes imbalance prices.
    error NotSettlementAgent(address caller);
    /// @notice A price follows from blocks that are there already.
    error BlockNotYet(uint64 asOfBlock);

    /// @notice Name the public key of the caller's encryption node, or the next one.
    function registerEncryptionKey(bytes calldata key) external;

    /// @notice Submit a sealed record to another organisation; active masters only.
    /// @param kind What it is; the kind says whom it is for.
    /// @param content Commitment and envelope, as on a slave chain.
    function submit(uint8 kind, bytes calldata content) external returns (uint64 index);

    /// @notice Publish imbalance prices; settlement agent only.
    function publishImbalancePrices(ImbalancePrice[] calldata prices, uint64 asOfBlock) external;

    /// @notice The public key that others seal to for a master; empty before it is registered.
    function encryptionKey(uint16 masterId) external view returns (bytes memory);

    /// @notice How many records were submitted.
    function submissionCount() external view returns (uint64);
}
